import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { chosenEngines } from '../e2e/host/engines'
import { crowd } from './crowd'
import { cycles } from './cycle'
import { engine } from './engine'
import type { Samples } from './measure'
import { median, quantile } from './measure'
import { mesh } from './mesh'
import { publishing } from './publish'
import type { Results } from './results'
import { traffic } from './traffic'

const NEWEST = '28.5'

const PARTS: Readonly<Record<string, (bundle: string) => Promise<readonly Samples[]>>> = {
  publishing,
  cycles,
  crowd,
  engine: async (bundle) => {
    const samples: Samples[] = []
    for (const chosen of chosenEngines()) samples.push(...(await engine(bundle, chosen)))
    return samples
  },
  traffic: (bundle) => traffic(bundle, chosenEngines().at(-1) ?? NEWEST),
  mesh,
}

/** `main <file of results> <bundle folder> [part…]` */
async function main(): Promise<void> {
  const [file = '', bundle = '', ...chosen] = process.argv.slice(2)
  const samples: Samples[] = []
  for (const part of chosen.length === 0 ? Object.keys(PARTS) : chosen) {
    const measure = PARTS[part]
    if (measure === undefined) throw new Error(`no such part: ${part}`)
    process.stdout.write(`== ${part}\n`)
    const found = await measure(bundle)
    for (const sample of found) process.stdout.write(`${describe(sample)}\n`)
    samples.push(...found)
  }
  const results: Results = { machine: machine(), samples: samples.map(rounded) }
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`)
}

function machine(): Results['machine'] {
  return {
    cpus: cpus().length,
    arch: arch(),
    kernel: release(),
    node: process.version,
    // In the guest of the kernel lane there is none but the plugin's own.
    ovs: tryOutput('ovs-vswitchd', '--version').split('\n')[0] ?? '',
  }
}

function tryOutput(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8' })
  } catch {
    return ''
  }
}

const round = (value: number): number => Number(value.toPrecision(4))
const rounded = ({ values, ...sample }: Samples): Samples => ({ ...sample, values: values.map(round) })

const describe = (sample: Samples): string =>
  `${sample.name}: median ${round(median(sample))} ${sample.unit}, ` +
  `p95 ${round(quantile(sample, 0.95))}, ${sample.values.length} samples`

void main()

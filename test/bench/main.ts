import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { join } from 'node:path'
import { chosenEngines } from '../e2e/host/engines'
import { crowd } from './crowd'
import { cycles } from './cycle'
import { engine } from './engine'
import type { Samples } from './measure'
import { median, quantile } from './measure'
import { mesh } from './mesh'
import type { PartName, Plan } from './plan'
import { PLANS } from './plan'
import { publishing } from './publish'
import type { Results } from './results'
import { traffic } from './traffic'

const NEWEST = '28.5'

const PARTS: Readonly<Record<PartName, (bundle: string, plan: Plan) => Promise<readonly Samples[]>>> = {
  publishing,
  cycles,
  crowd,
  engine: async (bundle, plan) => {
    const samples: Samples[] = []
    for (const chosen of chosenEngines()) samples.push(...(await engine(bundle, chosen, plan)))
    return samples
  },
  traffic: (bundle, plan) => traffic(bundle, chosenEngines().at(-1) ?? NEWEST, plan),
  mesh,
}

/** `main <machine|guest> <file of results> <bundle folder>` */
async function main(): Promise<void> {
  const [where = '', file = '', bundle = ''] = process.argv.slice(2)
  if (where !== 'machine' && where !== 'guest') throw new Error(`no such plan: ${where}`)
  const plan = PLANS[where]
  const samples: Samples[] = []
  const begin = performance.now()
  for (const part of plan.parts) {
    process.stdout.write(`== ${part}, after ${Math.round((performance.now() - begin) / 1000)} s\n`)
    const found = await PARTS[part](bundle, plan)
    for (const sample of found) process.stdout.write(`${describe(sample)}\n`)
    samples.push(...found)
  }
  const results: Results = { machine: machine(where, bundle), samples: samples.map(rounded) }
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`)
}

function machine(where: keyof typeof PLANS, bundle: string): Results['machine'] {
  // In a guest every part runs on the plugin's own switch.
  const ovs = where === 'guest' ? ['chroot', join(bundle, 'rootfs'), 'ovs-vswitchd'] : ['ovs-vswitchd']
  return {
    cpus: cpus().length,
    arch: arch(),
    kernel: release(),
    node: process.version,
    ovs: tryOutput(...ovs, '--version').split('\n')[0] ?? '',
  }
}

function tryOutput(...[command = '', ...args]: readonly string[]): string {
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

import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { join } from 'node:path'
import type { Samples } from './measure'
import { median, quantile } from './measure'
import { publishing } from './publish'

const [folder = 'bench'] = process.argv.slice(2)

async function main(): Promise<void> {
  const samples = await publishing()
  const of = (name: string): number => {
    const found = samples.find((sample) => sample.name === name)
    if (found === undefined) throw new Error(`no samples of ${name}`)
    return median(found)
  }
  const ratios = { publish_1000_vs_1: round(of('publish_with_1000') / of('publish_with_0')) }
  const machine = {
    cpus: cpus().length,
    arch: arch(),
    kernel: release(),
    node: process.version,
    ovs: execFileSync('ovs-vswitchd', ['--version'], { encoding: 'utf8' }).split('\n')[0],
  }
  await mkdir(folder, { recursive: true })
  const results = { machine, ratios, samples: samples.map(rounded) }
  await writeFile(join(folder, 'results.json'), `${JSON.stringify(results, undefined, 2)}\n`)
  for (const sample of samples) {
    const [half, most] = [median(sample), quantile(sample, 0.95)].map(round)
    process.stdout.write(
      `${sample.name}: median ${half ?? ''} ms, p95 ${most ?? ''} ms, ${sample.ms.length} samples\n`,
    )
  }
  for (const [name, ratio] of Object.entries(ratios)) process.stdout.write(`${name}: ${ratio}\n`)
}

const round = (value: number): number => Math.round(value * 100) / 100
const rounded = ({ name, ms }: Samples): Samples => ({ name, ms: ms.map(round) })

void main()

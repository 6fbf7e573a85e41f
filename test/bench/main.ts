import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { join } from 'node:path'
import type { Samples } from './measure'
import { median, quantile } from './measure'
import { cycles } from './cycle'
import { engine } from './engine'
import { mesh } from './mesh'
import { publishing } from './publish'

const [folder = 'bench', bundle = ''] = process.argv.slice(2)

async function main(): Promise<void> {
  const samples = [
    ...(await publishing()),
    ...(await cycles()),
    ...(await engine(bundle)),
    ...(await mesh(bundle)),
  ]
  const of = (name: string): number => {
    const found = samples.find((sample) => sample.name === name)
    if (found === undefined) throw new Error(`no samples of ${name}`)
    return median(found)
  }
  const ratio = (name: string, other: string): number => round(of(name) / of(other))
  const ratios = {
    connect_vs_bridge: ratio('connect_ovs', 'connect_bridge'),
    disconnect_vs_bridge: ratio('disconnect_ovs', 'disconnect_bridge'),
    first_ping_vs_bridge: ratio('first_ping_ovs', 'first_ping_bridge'),
    run_vs_bridge: ratio('run_ovs', 'run_bridge'),
    run20_vs_bridge: ratio('run20_ovs', 'run20_bridge'),
    netcreate_vs_bridge: ratio('netcreate_ovs', 'netcreate_bridge'),
    cycle_vs_floor_1: ratio('cycle_1', 'floor_1'),
    cycle_vs_floor_1000: ratio('cycle_1000', 'floor_1000'),
    parallel50_vs_one_1000: ratio('parallel50_1000', 'one_1000'),
    publish_1000_vs_1: ratio('publish_with_1000', 'publish_with_0'),
    mesh_vs_by_hand: ratio('mesh_tunnel', 'mesh_by_hand'),
  }
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
      `${sample.name}: median ${half ?? ''} ${sample.unit}, p95 ${most ?? ''}, ${sample.values.length} samples\n`,
    )
  }
  for (const [name, value] of Object.entries(ratios)) process.stdout.write(`${name}: ${value}\n`)
}

const round = (value: number): number => Math.round(value * 100) / 100
const rounded = ({ values, ...sample }: Samples): Samples => ({ ...sample, values: values.map(round) })

void main()

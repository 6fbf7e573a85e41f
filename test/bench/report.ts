import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart'
import { betweenHosts, comparisonTable, onOneHost, ratiosOf } from './kernel-figures'
import { median, quantile } from './measure'
import type { Figure, Results } from './results'
import { figures, isMet } from './results'

/** `report <folder>`: from results.json and kernel.json there to RESULTS.md and chart.svg, with NOTES.md at the end. */
function main(): void {
  const [folder = ''] = process.argv.slice(2)
  const read = (name: string): Results => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Results
  const results = read('results.json')
  const kernel = existsSync(join(folder, 'kernel.json')) ? read('kernel.json') : undefined
  const made = figures(results, kernel)
  const ratios = Object.fromEntries(made.map(({ name, value }) => [name, value]))
  write('results.json', withRatios(results, ratios))
  if (kernel !== undefined) {
    write('kernel.json', withRatios(kernel, { ...ratiosOf(onOneHost(kernel)), ...ratiosOf(betweenHosts(kernel)) }))
  }
  write('chart.svg', chart(results.samples, '28.5'))
  write('RESULTS.md', markdown(results, kernel, made, readFileSync(join(folder, 'NOTES.md'), 'utf8')))

  function write(name: string, text: string): void {
    writeFileSync(join(folder, name), text)
  }
}

function withRatios({ machine, samples }: Results, ratios: Readonly<Record<string, number>>): string {
  return `${JSON.stringify({ machine, ratios, samples }, undefined, 2)}\n`
}

function markdown(
  { machine, samples }: Results,
  kernel: Results | undefined,
  made: readonly Figure[],
  notes: string,
): string {
  return [
    '# What `make bench` measured',
    '',
    `One run. Machine: ${facts(machine)}. What is compared was measured in turn, round after round (A B A B …), and`,
    'every single sample is in [results.json](results.json).',
    '',
    '![Median times](chart.svg)',
    '',
    '## Figures',
    '',
    '| Figure | What it means | Measured | Asked | Met |',
    '| --- | --- | --: | --: | --- |',
    ...made.map((figure) => {
      const { name, means, value, limit } = figure
      const asked = limit === undefined ? '' : `${limit.at === 'most' ? '≤' : '≥'} ${limit.value}`
      const met = limit === undefined ? '' : isMet(figure) ? 'yes' : '**no**'
      return `| \`${name}\` | ${means} | ${value} | ${asked} | ${met} |`
    }),
    '',
    ...(kernel === undefined ? [] : [...kernelSection(kernel), '']),
    '## Medians',
    '',
    ...table(samples),
    '',
    notes.trim(),
    '',
  ].join('\n')
}

function kernelSection(kernel: Results): readonly string[] {
  return [
    "## On the kernel's datapath, in a guest",
    '',
    `One run of \`make bench-kernel\`. The guest: ${facts(kernel.machine)}; Docker 28.5. Every single sample is in`,
    '[kernel.json](kernel.json).',
    '',
    'A guest is a kernel that runs as a process, and it has one processor. Sender, receiver and switch share it, and so do',
    'engine, driver and whatever else the host does. So absolute figures mean little: a rate is what is left for the path',
    'when both ends have had their part, and what other machines do at the same time is done here one after the other. A',
    'ratio compares how much of the processor two ways take. What is compared was measured in turn, as above. Ratios of',
    'rates are better above 1, ratios of times below it.',
    '',
    'Between two containers of one host, from a container to the outside, and what users of Docker wait for, with this',
    'driver and with three of Docker’s:',
    '',
    ...comparisonTable(onOneHost(kernel)),
    '',
    'Between containers of two hosts over VXLAN: `mesh` is the driver’s (`ovs.bridge.tunnel=vxlan`), `own_tunnel` a flat',
    'network with a tunnel port of Open vSwitch’s own kind that was added by hand, `swarm` Docker’s overlay between two',
    'engines of one swarm.',
    '',
    ...comparisonTable(betweenHosts(kernel)),
  ]
}

const facts = (machine: Results['machine']): string =>
  Object.entries(machine)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

function table(samples: Results['samples']): readonly string[] {
  const short = (value: number): string => String(Number(value.toPrecision(3)))
  return [
    '| | median | p95 | unit | samples |',
    '| --- | --: | --: | --- | --: |',
    ...samples.map(
      (sample) =>
        `| ${sample.name} | ${short(median(sample))} | ${short(quantile(sample, 0.95))} | ${sample.unit} | ${sample.values.length} |`,
    ),
  ]
}

main()

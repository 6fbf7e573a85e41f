import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart'
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
  const { machine, samples } = results
  write('results.json', `${JSON.stringify({ machine, ratios, samples }, undefined, 2)}\n`)
  write('chart.svg', chart(samples, '28.5'))
  write('RESULTS.md', markdown(results, kernel, made, readFileSync(join(folder, 'NOTES.md'), 'utf8')))

  function write(name: string, text: string): void {
    writeFileSync(join(folder, name), text)
  }
}

function markdown(
  { machine, samples }: Results,
  kernel: Results | undefined,
  made: readonly Figure[],
  notes: string,
): string {
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`)
  return [
    '# What `make bench` measured',
    '',
    `One run. Machine: ${facts.join(', ')}. What is compared was measured in turn, round after round (A B A B …), and`,
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
    notes.trim(),
    '',
    '## Medians',
    '',
    ...table(samples),
    ...(kernel === undefined
      ? []
      : ['', `On the kernel's datapath, in an emulated machine (kernel ${kernel.machine['kernel'] ?? ''}):`, '', ...table(kernel.samples)]),
    '',
  ].join('\n')
}

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

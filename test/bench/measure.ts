/** Samples of one thing. */
export interface Samples {
  readonly name: string
  readonly unit: 'ms' | 's' | 'kbit/s' | 'packets/s' | 'MB' | '%'
  readonly values: readonly number[]
}

/** What is timed; what it returns is run after it, untimed. */
export type Subject = () => Promise<() => Promise<void>>

/** What is measured by somebody else: a rate, a size. */
export type Reading = () => Promise<number>

export const nothing = (): Promise<void> => Promise.resolve()

/**
 * Times several things in turn, round after round (A B A B …), so that whatever else the machine does meets all alike.
 * The first round only warms up.
 */
export async function interleave(
  rounds: number,
  subjects: Readonly<Record<string, Subject>>,
): Promise<readonly Samples[]> {
  const samples = new Map(Object.keys(subjects).map((name) => [name, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, run] of Object.entries(subjects)) {
      const start = performance.now()
      const cleanUp = await run()
      if (round > 0) samples.get(name)?.push(performance.now() - start)
      await cleanUp()
    }
  }
  return [...samples].map(([name, values]) => ({ name, unit: 'ms', values }))
}

/** As {@link interleave}, for what is not a time. */
export async function interleaveReadings(
  rounds: number,
  unit: Samples['unit'],
  readings: Readonly<Record<string, Reading>>,
): Promise<readonly Samples[]> {
  const samples = new Map(Object.keys(readings).map((name) => [name, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, read] of Object.entries(readings)) {
      const value = await read()
      if (round > 0) samples.get(name)?.push(value)
    }
  }
  return [...samples].map(([name, values]) => ({ name, unit, values }))
}

export function quantile({ values }: Samples, q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN
}

export const median = (samples: Samples): number => quantile(samples, 0.5)

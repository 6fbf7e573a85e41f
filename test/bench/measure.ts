/** Samples of one thing, in milliseconds. */
export interface Samples {
  readonly name: string
  readonly ms: readonly number[]
}

/**
 * Times several things in turn, round after round (A B A B …), so that whatever else the machine does meets all alike.
 * The first round only warms up. What a subject returns is run after it, untimed.
 */
export async function interleave(
  rounds: number,
  subjects: Readonly<Record<string, () => Promise<() => Promise<void>>>>,
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
  return [...samples].map(([name, ms]) => ({ name, ms }))
}

export function quantile({ ms }: Samples, q: number): number {
  const sorted = ms.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN
}

export const median = (samples: Samples): number => quantile(samples, 0.5)

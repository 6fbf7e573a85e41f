/** Decisions that a seed determines. */
export interface Random {
  /** An integer from 0 to below `bound`. */
  below(bound: number): number
  pick<T>(items: readonly T[]): T | undefined
  chance(probability: number): boolean
}

/** A linear congruential generator with the constants of Numerical Recipes; its high bits are good enough to choose by. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return { below, pick: (items) => items[below(items.length)], chance: (probability) => next() < probability }
}

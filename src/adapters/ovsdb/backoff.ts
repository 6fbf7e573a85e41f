const shortestMs = 125
const longestMs = 2000

/**
 * How long to wait before the next attempt to connect: doubling from an eighth of a second (a server that is just being
 * restarted) to two, each up to a quarter shorter by chance, so that many clients do not come back at once.
 */
export class Backoff {
  readonly #random: () => number
  #failures = 0

  constructor(random: () => number) {
    this.#random = random
  }

  /**
   * @param livedMs How long the connection that was lost had been synchronised; 0 where it never was. One that lived
   * longer than the longest wait starts over; a server that fails right after every start does not.
   */
  next(livedMs: number): number {
    if (livedMs >= longestMs) this.#failures = 0
    const fullMs = Math.min(longestMs, shortestMs * 2 ** this.#failures)
    this.#failures++
    return fullMs * (1 - this.#random() / 4)
  }
}

import type { Clock } from './api'

/**
 * Finds out that a peer is dead although nobody closed the connection: a stopped process, a pulled cable. After a silent
 * interval it asks, after another one it gives up.
 */
export class InactivityProbe {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #ask: () => void
  readonly #giveUp: () => void
  #lastActivity: number
  #asked = false
  #timer: unknown

  constructor(
    clock: Clock,
    intervalMs: number,
    actions: { readonly ask: () => void; readonly giveUp: () => void },
  ) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#ask = actions.ask
    this.#giveUp = actions.giveUp
    this.#lastActivity = clock.now()
    this.#schedule(intervalMs)
  }

  /** The peer was heard. Cheap: called for every chunk that arrives. */
  touch(): void {
    this.#lastActivity = this.#clock.now()
    this.#asked = false
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer)
  }

  #schedule(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#check()
    }, ms)
  }

  #check(): void {
    const silentMs = this.#clock.now() - this.#lastActivity
    if (silentMs < this.#intervalMs) {
      this.#schedule(this.#intervalMs - silentMs)
      return
    }
    if (this.#asked) {
      this.#giveUp()
      return
    }
    this.#asked = true
    this.#schedule(this.#intervalMs)
    this.#ask()
  }
}

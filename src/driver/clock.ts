/** Time as the driver needs it, injected so that tests own it. Milliseconds throughout. */
export interface Clock {
  /** For durations: never set back. */
  now(): number
  /** A signal that aborts after `ms`. */
  deadline(ms: number): AbortSignal
  /** Runs `task` once, `ms` from now. */
  after(ms: number, task: () => void): void
  /** Runs `task` every `ms` until the returned function is called. */
  repeat(ms: number, task: () => void): () => void
}

/** A port of the host that a socket is bound to. */
export interface Held {
  readonly port: number
  /** Resolves when the port is free again. */
  release(): Promise<void>
}

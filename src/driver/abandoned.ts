import type { Records } from './records'

/**
 * Networks and endpoints that Docker knows no longer, though they may be recorded still: a failed create, or a failed
 * delete, which Docker logs and does not repeat. Reconcile takes back what is left.
 */
export class Abandoned {
  private readonly ids = new Set<string>()

  constructor(private readonly records: Pick<Records, 'network' | 'endpoint'>) {}

  get isEmpty(): boolean {
    return this.ids.size === 0
  }

  has(id: string): boolean {
    return this.ids.has(id)
  }

  add(id: string): void {
    this.ids.add(id)
  }

  /** Docker asks for it again, or nothing of it is left. */
  remove(id: string): void {
    this.ids.delete(id)
  }

  /** For when the host has been looked at, and nothing is left of what no record names. */
  removeUnrecorded(): void {
    for (const id of this.ids) {
      if (this.records.network(id) === undefined && this.records.endpoint(id) === undefined)
        this.ids.delete(id)
    }
  }
}

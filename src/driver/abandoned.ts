import type { Records } from './records'

/**
 * Networks and endpoints that Docker knows no longer, though they may be recorded still: a failed create, or a failed
 * delete, which Docker logs and does not repeat. Reconcile takes back what is left.
 */
export class Abandoned {
  private readonly ids = new Set<string>()

  constructor(private readonly records: Pick<Records, 'network' | 'endpoint'>) {}

  all(): readonly string[] {
    return [...this.ids]
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

  /** For when the host has been looked at since they were added, and nothing is left of what no record names. */
  removeUnrecorded(ids: readonly string[]): void {
    for (const id of ids) {
      if (this.records.network(id) === undefined && this.records.endpoint(id) === undefined)
        this.ids.delete(id)
    }
  }
}

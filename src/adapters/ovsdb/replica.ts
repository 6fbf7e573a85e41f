import type { MonitorSpec, Replica, TableChange, TableRow } from './api'
import { toError, type NotConnectedError } from './errors'
import { Listeners } from './listeners'
import { ReplicaTable } from './table'
import { applyRowUpdate, equalRows, type TableUpdate } from './updates'
import type { StoredAtom, StoredRow } from './values'

const noRows: ReadonlyMap<string, StoredRow> = new Map()

interface Waiter {
  check(): void
  fail(reason: Error): void
}

/** The replica with what the client alone may do to it. */
export class ReplicaStore implements Replica {
  readonly #tables: ReadonlyMap<string, ReplicaTable>
  readonly #listeners: Listeners<[changes: readonly TableChange[]]>
  readonly #waiters = new Set<Waiter>()
  #synchronised = false
  #closeReason: NotConnectedError | undefined

  constructor(monitor: MonitorSpec, onListenerFailure: (error: unknown) => void) {
    this.#tables = new Map(Object.entries(monitor).map(([table, spec]) => [table, new ReplicaTable(spec)]))
    this.#listeners = new Listeners(onListenerFailure)
  }

  get synchronised(): boolean {
    return this.#synchronised
  }

  rows(table: string): ReadonlyMap<string, StoredRow> {
    return this.#tables.get(table)?.rows ?? noRows
  }

  find(table: string, index: string, value: StoredAtom): readonly TableRow[] {
    const rows = this.#tables.get(table)?.find(index, value)
    if (rows === undefined) throw new RangeError(`the monitor declares no index ${index} on table ${table}`)
    return rows
  }

  onChange(listener: (changes: readonly TableChange[]) => void): () => void {
    return this.#listeners.add(listener)
  }

  waitUntil<T>(predicate: (replica: Replica) => T | undefined | false, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const reason = signal.aborted ? (signal.reason as Error) : this.#closeReason
      if (reason !== undefined) {
        reject(reason)
        return
      }
      const end = () => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        check: () => {
          if (!this.#synchronised) return
          try {
            const value = predicate(this)
            if (value === undefined || value === false) return
            resolve(value)
          } catch (error) {
            reject(toError(error))
          }
          end()
        },
        fail: (error) => {
          end()
          reject(toError(error))
        },
      }
      const onAbort = () => {
        waiter.fail(signal.reason as Error)
      }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
      waiter.check()
    })
  }

  /**
   * Applies one update as a whole, then tells about it.
   *
   * @throws ProtocolError where the update does not fit what is there.
   */
  update(updates: readonly TableUpdate[]): void {
    this.#commit(this.#changesOf(updates))
  }

  /**
   * Takes the server's whole content, from which on the replica is synchronised. Rows that did not change stay the same
   * objects, and are not told about.
   */
  synchronise(content: readonly TableUpdate[]): void {
    const rowsByTable = new Map(content.map(({ table, rows }) => [table, rows]))
    const deletions = [...this.#tables].flatMap(([table, { rows }]) =>
      [...rows]
        .filter(([uuid]) => rowsByTable.get(table)?.has(uuid) !== true)
        .map(([uuid, before]): TableChange => ({ table, uuid, before })),
    )
    this.#synchronised = this.#closeReason === undefined
    this.#commit([...deletions, ...this.#changesOf(content)])
  }

  desynchronise(): void {
    this.#synchronised = false
  }

  /** Rejects all who wait, now and later. */
  close(reason: NotConnectedError): void {
    this.#synchronised = false
    this.#closeReason = reason
    for (const waiter of [...this.#waiters]) waiter.fail(reason)
  }

  #changesOf(updates: readonly TableUpdate[]): readonly TableChange[] {
    return updates.flatMap(({ table, types, rows }) => {
      const changes: TableChange[] = []
      for (const [uuid, update] of rows) {
        const before = this.rows(table).get(uuid)
        const after = applyRowUpdate(before, update, types)
        // Only a whole row may say nothing new; to compare one that was modified would cost as much as all that it holds.
        const unchanged =
          update.kind === 'set' && before !== undefined && after !== undefined && equalRows(before, after)
        if (unchanged || before === after) continue
        changes.push({ table, uuid, ...(before && { before }), ...(after && { after }) })
      }
      return changes
    })
  }

  #commit(changes: readonly TableChange[]): void {
    for (const { table, uuid, after } of changes) {
      if (after === undefined) this.#tables.get(table)?.delete(uuid)
      else this.#tables.get(table)?.set(uuid, after)
    }
    if (changes.length > 0) this.#listeners.call(changes)
    for (const waiter of [...this.#waiters]) waiter.check()
  }
}

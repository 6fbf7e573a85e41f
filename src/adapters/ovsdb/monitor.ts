import type { MonitorSpec } from './api'
import { RequestError } from './errors'
import type { ReplicaStore } from './replica'
import type { RpcConnection } from './rpc'
import type { DatabaseSchema } from './schema'
import { decodeUpdates, type MonitoredColumns, type UpdateForm } from './updates'

/** The protocol tells a connection's monitors apart by a name; ours has only this one. */
const monitorId = 'replica'

/** Keeps the replica in step with the server over one connection. */
export class Monitor {
  /** `Table.column` of what was asked for and the server's schema does not have. */
  readonly absentColumns: readonly string[]
  readonly #rpc: RpcConnection
  readonly #schema: DatabaseSchema
  readonly #columns: MonitoredColumns
  readonly #replica: ReplicaStore
  #early: (readonly [form: UpdateForm, json: unknown])[] | undefined = []

  constructor(rpc: RpcConnection, schema: DatabaseSchema, spec: MonitorSpec, replica: ReplicaStore) {
    this.#rpc = rpc
    this.#schema = schema
    this.#replica = replica
    const isKnown = (table: string, column: string) => schema.tables.get(table)?.has(column) === true
    this.#columns = new Map(
      Object.entries(spec)
        .filter(([table]) => schema.tables.has(table))
        .map(([table, { columns }]) => [table, columns.filter((column) => isKnown(table, column))]),
    )
    this.absentColumns = Object.entries(spec).flatMap(([table, { columns }]) =>
      columns.filter((column) => !isKnown(table, column)).map((column) => `${table}.${column}`),
    )
  }

  /**
   * Reads everything and asks to be told of each change. Always from the start: only clustered databases can resume
   * (`monitor_cond_since`), a switch's standalone one never does.
   */
  async start(): Promise<void> {
    const [form, content] = await this.#request()
    this.#replica.synchronise(this.#decode(form, content))
    const early = this.#early ?? []
    this.#early = undefined
    for (const [earlyForm, json] of early) this.#apply(earlyForm, json)
  }

  /**
   * Takes a notification of the server's. One that comes before {@link start} is done waits for it: it may be in the
   * same chunk of bytes as the answer that it builds on.
   *
   * @throws Error where the replica can no longer follow: the connection is of no use then.
   */
  notify(method: string, params: readonly unknown[]): void {
    const [, json] = params
    if (method === 'monitor_canceled') throw new Error('the server cancelled the monitor')
    if (method !== 'update' && method !== 'update2') return
    if (this.#early === undefined) this.#apply(method, json)
    else this.#early.push([method, json])
  }

  async #request(): Promise<readonly [UpdateForm, unknown]> {
    const requests = Object.fromEntries(
      Array.from(this.#columns, ([table, columns]) => [table, [{ columns }]]),
    )
    const params = [this.#schema.name, monitorId, requests]
    try {
      return ['update2', await this.#rpc.request('monitor_cond', params)]
    } catch (error) {
      // Servers before Open vSwitch 2.6 know the RFC's own monitor only.
      if (!(error instanceof RequestError) || error.serverError !== 'unknown method') throw error
      return ['update', await this.#rpc.request('monitor', params)]
    }
  }

  #apply(form: UpdateForm, json: unknown): void {
    this.#replica.update(this.#decode(form, json))
  }

  #decode(form: UpdateForm, json: unknown) {
    return decodeUpdates(json, form, this.#schema, this.#columns)
  }
}

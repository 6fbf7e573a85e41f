import type { Duplex } from 'node:stream'
import type { Clock, MonitorSpec } from './api'
import { encodeOperation } from './codec'
import { toError } from './errors'
import { Monitor } from './monitor'
import type { Operation, OperationResult } from './operations'
import { InactivityProbe } from './probe'
import type { ReplicaStore } from './replica'
import { RpcConnection } from './rpc'
import { parseSchema, type DatabaseSchema } from './schema'
import { readResults } from './transaction'

/** How long a server may be silent before it is asked, and again before it is given up. */
const probeIntervalMs = 5000

/** One connection to one database, from the open stream to its end. */
export class Session {
  /** Resolves, once, with the reason for which the connection ended. */
  readonly closed: Promise<Error>
  readonly #rpc: RpcConnection
  #monitor: Monitor | undefined

  /**
   * Takes the stream over.
   *
   * @param onClosed is called before any request under way is rejected for the same reason.
   */
  constructor(stream: Duplex, clock: Clock, onClosed: (reason: Error) => void) {
    this.#rpc = new RpcConnection(stream, {
      onNotification: (method, params) => this.#monitor?.notify(method, params),
      onActivity: () => {
        probe.touch()
      },
      onClosed: (reason) => {
        probe.stop()
        onClosed(reason)
      },
    })
    const probe = new InactivityProbe(clock, probeIntervalMs, {
      ask: () => {
        // Any bytes will do for an answer, and none is the probe's own concern.
        this.#rpc.request('echo', []).catch(() => undefined)
      },
      giveUp: () => {
        this.close(new Error(`the server was silent for ${(2 * probeIntervalMs) / 1000} s`))
      },
    })
    this.closed = this.#rpc.closed
  }

  async readSchema(database: string): Promise<DatabaseSchema> {
    return parseSchema(await this.#rpc.request('get_schema', [database]))
  }

  /**
   * Fills the replica, which follows the server from then on.
   *
   * @returns `Table.column` of what `spec` asks for and the schema does not have.
   */
  async synchronise(
    replica: ReplicaStore,
    spec: MonitorSpec,
    schema: DatabaseSchema,
  ): Promise<readonly string[]> {
    this.#monitor = new Monitor(this.#rpc, schema, spec, replica)
    await this.#monitor.start()
    return this.#monitor.absentColumns
  }

  async transact(
    operations: readonly Operation[],
    schema: DatabaseSchema,
    signal: AbortSignal,
  ): Promise<readonly OperationResult[]> {
    const params = [schema.name, ...operations.map(encodeOperation)]
    return readResults(
      await this.#rpc.request('transact', params, { signal, cancel: true }),
      operations,
      schema,
    )
  }

  /** Idempotent: the first reason counts. */
  close(reason: unknown): void {
    this.#rpc.close(toError(reason))
  }
}

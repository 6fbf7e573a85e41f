import type { Duplex } from 'node:stream'
import type { Endpoint } from './endpoint'
import type { Operation, OperationResult } from './operations'
import type { DatabaseSchema } from './schema'
import type { StoredAtom, StoredRow } from './values'

/** Time as the client needs it, injected so that tests own it. */
export interface Clock {
  /** Milliseconds, never set back. */
  now(): number
  setTimeout(task: () => void, ms: number): unknown
  clearTimeout(handle: unknown): void
}

/** What the replica shall hold of one table. */
export interface TableMonitor {
  /** Columns that the server's schema does not have are left out: ask {@link OvsdbClient.schema}. */
  readonly columns: readonly string[]
  /**
   * What {@link Replica.find} can look up: a column, or one key of a map column as `column:key`. All of them are among
   * `columns`.
   */
  readonly indexes?: readonly string[]
}

export type MonitorSpec = Readonly<Record<string, TableMonitor>>

export interface TableRow {
  readonly uuid: string
  readonly row: StoredRow
}

/** One row's change: an insert has no `before`, a deletion no `after`. */
export interface TableChange {
  readonly table: string
  readonly uuid: string
  readonly before?: StoredRow
  readonly after?: StoredRow
}

/**
 * The monitored part of the database, held in memory. It changes only between turns of the event loop, by one whole
 * transaction of the server's at a time. While disconnected it keeps what it last knew.
 */
export interface Replica {
  /** By uuid; empty for a table that the server's schema does not have. The map is live: copy it to keep it. */
  rows(table: string): ReadonlyMap<string, StoredRow>
  /**
   * The rows whose column holds `value` (in a set: among others), in no particular order.
   *
   * @param index One of the table's {@link TableMonitor.indexes}.
   * @throws RangeError where the monitor declared no such index.
   */
  find(table: string, index: string, value: StoredAtom): readonly TableRow[]
  /**
   * Calls `listener` after each update was applied as a whole, and after a reconnect with the differences to what was
   * known before.
   *
   * @returns The function that ends it.
   */
  onChange(listener: (changes: readonly TableChange[]) => void): () => void
  /**
   * Resolves with what `predicate` returns as soon as that is neither undefined nor false: on the present state first,
   * then after each change. While the replica is not synchronised it asks nothing: a stale or empty replica answers no
   * question.
   *
   * @throws The signal's reason; what `predicate` throws; {@link NotConnectedError} when the client is closed.
   */
  waitUntil<T>(predicate: (replica: Replica) => T | undefined | false, signal: AbortSignal): Promise<T>
}

/** What the client tells its log. Durations are in milliseconds. */
export type OvsdbEvent =
  | { readonly event: 'connecting'; readonly endpoint: string; readonly attempt: number }
  | { readonly event: 'connected' }
  | {
      readonly event: 'synchronised'
      readonly schemaVersion: string
      readonly rows: number
      readonly absentColumns: readonly string[]
    }
  | { readonly event: 'disconnected'; readonly reason: Error; readonly retryInMs: number }
  | {
      readonly event: 'transaction'
      readonly operations: readonly Operation[]
      readonly outcome: readonly OperationResult[] | Error
      readonly ms: number
    }
  | { readonly event: 'listener-failed'; readonly error: unknown }

export interface OvsdbClient {
  /** Connected, and the replica is complete. */
  readonly connected: boolean
  readonly replica: Replica
  /** The server's schema as of the last connection; undefined before the first. */
  readonly schema: DatabaseSchema | undefined
  /** Begins to connect, and connects again for ever until {@link close}. Idempotent. */
  start(): void
  /** Calls `listener` after every (re)connect once the replica is complete. Returns the function that ends it. */
  onSynchronised(listener: () => void): () => void
  /** Calls `listener` whenever a synchronised connection is lost. Returns the function that ends it. */
  onDisconnected(listener: (reason: Error) => void): () => void
  /**
   * Resolves at once while connected.
   *
   * @throws The signal's reason; {@link NotConnectedError} when the client is closed.
   */
  waitSynchronised(signal: AbortSignal): Promise<void>
  /**
   * Runs the operations as one atomic transaction. When it resolves, the replica already shows what it did.
   *
   * @returns One result for each operation.
   * @throws {@link TransactionError}: the server refused, nothing was done. {@link NotConnectedError}: at once, nothing
   * was sent. {@link ConnectionLostError}, and the signal's reason after an abort: the outcome is unknown (an abort asks
   * the server to cancel, which helps only while it waits).
   */
  transact(operations: readonly Operation[], signal: AbortSignal): Promise<readonly OperationResult[]>
  /** Ends the connection and rejects everything pending. Idempotent. */
  close(): Promise<void>
}

export interface OvsdbClientOptions {
  readonly endpoint: Endpoint
  readonly database: string
  readonly monitor: MonitorSpec
  readonly clock: Clock
  /** In [0, 1), for the jitter between attempts to connect. */
  readonly random: () => number
  readonly log?: (event: OvsdbEvent) => void
  /** Opens the byte stream; sockets where absent. */
  readonly connect?: (endpoint: Endpoint, signal: AbortSignal) => Promise<Duplex>
}

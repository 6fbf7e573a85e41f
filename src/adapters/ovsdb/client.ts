import type { Clock, OvsdbClient, OvsdbClientOptions, OvsdbEvent } from './api'
import { Backoff } from './backoff'
import { formatEndpoint } from './endpoint'
import { NotConnectedError, toError } from './errors'
import { Listeners } from './listeners'
import type { Operation, OperationResult } from './operations'
import { ReplicaStore } from './replica'
import type { DatabaseSchema } from './schema'
import { Session } from './session'
import { connectSocket } from './socket'

const connectTimeoutMs = 5000

/** Makes a client; {@link OvsdbClient.start} begins to connect. */
export function createOvsdbClient(options: OvsdbClientOptions): OvsdbClient {
  return new Client(options)
}

class Client implements OvsdbClient {
  readonly replica: ReplicaStore
  readonly #options: OvsdbClientOptions
  readonly #synchronisedListeners: Listeners<[]>
  readonly #disconnectedListeners: Listeners<[reason: Error]>
  readonly #closing = new AbortController()
  #session: Session | undefined
  #schema: DatabaseSchema | undefined
  #running: Promise<void> | undefined

  constructor(options: OvsdbClientOptions) {
    const onFailure = (error: unknown) => {
      this.#log({ event: 'listener-failed', error })
    }
    this.#options = options
    this.replica = new ReplicaStore(options.monitor, onFailure)
    this.#synchronisedListeners = new Listeners(onFailure)
    this.#disconnectedListeners = new Listeners(onFailure)
  }

  get connected(): boolean {
    return this.replica.synchronised
  }

  get schema(): DatabaseSchema | undefined {
    return this.#schema
  }

  start(): void {
    this.#running ??= this.#run(this.#closing.signal)
  }

  onSynchronised(listener: () => void): () => void {
    return this.#synchronisedListeners.add(listener)
  }

  onDisconnected(listener: (reason: Error) => void): () => void {
    return this.#disconnectedListeners.add(listener)
  }

  async waitSynchronised(signal: AbortSignal): Promise<void> {
    await this.replica.waitUntil(() => true, signal)
  }

  async transact(operations: readonly Operation[], signal: AbortSignal): Promise<readonly OperationResult[]> {
    const session = this.#session
    const schema = this.#schema
    if (!this.connected || session === undefined || schema === undefined) {
      throw new NotConnectedError('there is no connection to the database')
    }
    const { clock } = this.#options
    const startedAt = clock.now()
    const log = (outcome: readonly OperationResult[] | Error) => {
      this.#log({ event: 'transaction', operations, outcome, ms: clock.now() - startedAt })
    }
    try {
      const results = await session.transact(operations, schema, signal)
      log(results)
      return results
    } catch (error) {
      log(toError(error))
      throw error
    }
  }

  async close(): Promise<void> {
    const reason = new NotConnectedError('the client was closed')
    this.replica.close(reason)
    this.#closing.abort(reason)
    await this.#running
  }

  async #run(closing: AbortSignal): Promise<void> {
    const { clock, random, endpoint } = this.#options
    const backoff = new Backoff(random)
    for (let attempt = 1; !closing.aborted; attempt++) {
      this.#log({ event: 'connecting', endpoint: formatEndpoint(endpoint), attempt })
      let livedMs = 0
      let reason: Error
      try {
        const session = await this.#open(closing)
        const synchronisedAt = clock.now()
        this.#synchronisedListeners.call()
        reason = await session.closed
        livedMs = clock.now() - synchronisedAt
      } catch (error) {
        reason = toError(error)
      }
      const retryInMs = backoff.next(livedMs)
      this.#log({ event: 'disconnected', reason, retryInMs })
      // Once more: an answer that came just before the end may have filled the replica after it.
      this.#lose(reason)
      await sleep(retryInMs, clock, closing)
    }
  }

  /** A synchronised session. */
  async #open(closing: AbortSignal): Promise<Session> {
    const { clock, database, monitor } = this.#options
    // At once: whose transaction was lost waits for the next connection, and must not take this one for it.
    const session = new Session(await this.#connect(closing), clock, (reason) => {
      this.#lose(reason)
    })
    const close = () => {
      session.close(closing.reason)
    }
    closing.addEventListener('abort', close)
    void session.closed.then(() => {
      closing.removeEventListener('abort', close)
    })
    try {
      this.#log({ event: 'connected' })
      const schema = await session.readSchema(database)
      // Before the replica is filled: its listeners may want to transact at once.
      this.#schema = schema
      this.#session = session
      const absentColumns = await session.synchronise(this.replica, monitor, schema)
      const rows = Object.keys(monitor).reduce((sum, table) => sum + this.replica.rows(table).size, 0)
      this.#log({ event: 'synchronised', schemaVersion: schema.version, rows, absentColumns })
      return session
    } catch (error) {
      session.close(error)
      throw error
    }
  }

  async #connect(closing: AbortSignal) {
    const { clock, connect = connectSocket, endpoint } = this.#options
    const tooLong = new AbortController()
    const timer = clock.setTimeout(() => {
      tooLong.abort(new Error(`no connection within ${connectTimeoutMs / 1000} s`))
    }, connectTimeoutMs)
    try {
      const stream = await connect(endpoint, AbortSignal.any([closing, tooLong.signal]))
      if (!closing.aborted) return stream
      stream.destroy()
      throw toError(closing.reason)
    } finally {
      clock.clearTimeout(timer)
    }
  }

  #lose(reason: Error): void {
    const wasConnected = this.connected
    this.#session = undefined
    this.replica.desynchronise()
    if (wasConnected) this.#disconnectedListeners.call(reason)
  }

  #log(event: OvsdbEvent): void {
    this.#options.log?.(event)
  }
}

/** Ends early, without an error, when the signal aborts. */
function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const wake = () => {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.setTimeout(wake, ms)
    signal.addEventListener('abort', wake)
  })
}

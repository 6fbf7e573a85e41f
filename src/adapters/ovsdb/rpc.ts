import type { Duplex } from 'node:stream'
import { ConnectionLostError, NotConnectedError, ProtocolError, RequestError, toError } from './errors'
import { Framer } from './framer'
import { isArray, isObject, type JsonObject } from './json'

/**
 * The most bytes that one message may have: far above any switch's database, and below the longest string that Node
 * can hold (512 MiB).
 */
const frameLimit = 256 * 1024 * 1024

export interface RpcHandlers {
  /** What it throws ends the connection. */
  onNotification(method: string, params: readonly unknown[]): void
  /** Bytes arrived: the peer lives. */
  onActivity(): void
  /** The connection has ended; those who wait for an answer learn it next. */
  onClosed(reason: Error): void
}

interface PendingRequest {
  readonly method: string
  settle(outcome: { readonly result: unknown } | { readonly error: Error }): void
}

/** JSON-RPC 1.0 over a byte stream, as RFC 7047, 4 uses it. It answers the peer's `echo` by itself. */
export class RpcConnection {
  /** Resolves, once, with the reason for which the connection ended. */
  readonly closed: Promise<Error>
  readonly #stream: Duplex
  readonly #handlers: RpcHandlers
  readonly #pending = new Map<number, PendingRequest>()
  readonly #resolveClosed: (reason: Error) => void
  #lastId = 0
  #closeReason: Error | undefined

  /** Takes the stream over. */
  constructor(stream: Duplex, handlers: RpcHandlers) {
    this.#stream = stream
    this.#handlers = handlers
    const { promise, resolve } = withResolver<Error>()
    this.closed = promise
    this.#resolveClosed = resolve
    const framer = new Framer(frameLimit)
    stream.on('data', (chunk: Buffer) => {
      this.#receive(framer, chunk)
    })
    stream.on('error', (error: Error) => {
      this.close(error)
    })
    stream.on('end', () => {
      this.close(new Error('the server closed the connection'))
    })
    stream.on('close', () => {
      this.close(new Error('the connection was closed'))
    })
  }

  /**
   * @param cancel Ask the server, on abort, to give the request up (`cancel` is for `transact` only: RFC 7047, 4.1.4).
   * @throws RequestError; NotConnectedError: nothing was sent; ConnectionLostError; or the signal's reason: an answer that
   * comes after it is dropped.
   */
  request(
    method: string,
    params: readonly unknown[],
    options: { readonly signal?: AbortSignal; readonly cancel?: boolean } = {},
  ): Promise<unknown> {
    const { signal, cancel = false } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      if (this.#closeReason !== undefined) {
        reject(
          new NotConnectedError('the connection to the database is closed', { cause: this.#closeReason }),
        )
        return
      }
      const id = ++this.#lastId
      const settle: PendingRequest['settle'] = (outcome) => {
        this.#pending.delete(id)
        signal?.removeEventListener('abort', onAbort)
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.result)
      }
      const onAbort = () => {
        settle({ error: signal?.reason as Error })
        if (cancel) this.#send({ method: 'cancel', params: [id], id: null })
      }
      this.#pending.set(id, { method, settle })
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#send({ method, params, id })
    })
  }

  /** Rejects what is pending. Idempotent: the first reason counts. */
  close(reason: Error): void {
    if (this.#closeReason !== undefined) return
    this.#closeReason = reason
    this.#stream.destroy()
    this.#handlers.onClosed(reason)
    for (const request of [...this.#pending.values()]) request.settle({ error: connectionLost(reason) })
    this.#resolveClosed(reason)
  }

  #send(message: JsonObject): void {
    this.#stream.write(JSON.stringify(message))
  }

  #receive(framer: Framer, chunk: Buffer): void {
    try {
      this.#handlers.onActivity()
      for (const frame of framer.push(chunk)) {
        if (this.#closeReason !== undefined) return
        this.#dispatch(parse(frame))
      }
    } catch (error) {
      this.close(toError(error))
    }
  }

  #dispatch(message: JsonObject): void {
    const { id, method } = message
    if (typeof method !== 'string') {
      this.#settle(message)
      return
    }
    const params = isArray(message['params']) ? message['params'] : []
    if (id === null || id === undefined) this.#handlers.onNotification(method, params)
    else if (method === 'echo') this.#send({ id, result: params, error: null })
    else this.#send({ id, result: null, error: 'unknown method' })
  }

  #settle({ id, result, error }: JsonObject): void {
    const request = typeof id === 'number' ? this.#pending.get(id) : undefined
    if (request === undefined) return
    if (error === null || error === undefined) request.settle({ result })
    else request.settle({ error: requestError(request.method, error) })
  }
}

function parse(frame: string): JsonObject {
  try {
    const message: unknown = JSON.parse(frame)
    if (isObject(message)) return message
  } catch (cause) {
    throw new ProtocolError('the server sent a message that is not JSON', { cause })
  }
  throw new ProtocolError('the server sent a message that is no object')
}

/** ovsdb-server answers some requests with an `<error>` object (RFC 7047, 3.1), others with its bare string. */
function requestError(method: string, error: unknown): RequestError {
  if (!isObject(error))
    return new RequestError(method, typeof error === 'string' ? error : JSON.stringify(error), '')
  const { error: text, details } = error
  return new RequestError(method, String(text), typeof details === 'string' ? details : '')
}

function connectionLost(cause: Error): ConnectionLostError {
  return new ConnectionLostError(`the connection to the database was lost: ${cause.message}`, { cause })
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolver<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

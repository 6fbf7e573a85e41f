import { types } from 'node:util'

/**
 * The error strings of RFC 7047 (3.1, 4.1, 5.2) and those that ovsdb-server adds (ovsdb-server(7)), with the code each
 * becomes. A string not among them becomes `unknown`; {@link TransactionError.serverError} has it.
 */
const transactionErrorCodes = {
  'duplicate uuid-name': 'duplicate-uuid-name',
  'referential integrity violation': 'referential-integrity-violation',
  'constraint violation': 'constraint-violation',
  'resources exhausted': 'resources-exhausted',
  'I/O error': 'io-error',
  'domain error': 'domain-error',
  'range error': 'range-error',
  'timed out': 'timed-out',
  'not supported': 'not-supported',
  aborted: 'aborted',
  'not owner': 'not-owner',
  'unknown database': 'unknown-database',
  canceled: 'canceled',
  'syntax error': 'syntax-error',
  'unknown column': 'unknown-column',
  'duplicate uuid': 'duplicate-uuid',
  'permission error': 'permission-error',
  'not allowed': 'not-allowed',
  'internal error': 'internal-error',
} as const

export type TransactionErrorCode =
  (typeof transactionErrorCodes)[keyof typeof transactionErrorCodes] | 'unknown'

export type OvsdbErrorCode =
  TransactionErrorCode | 'connection-lost' | 'not-connected' | 'protocol' | 'request'

/** The base of every error that this library throws, told apart by `code`. */
export abstract class OvsdbError extends Error {
  abstract readonly code: OvsdbErrorCode
}

/** The server refused a transaction: nothing of it was done. */
export class TransactionError extends OvsdbError {
  override readonly name = 'TransactionError'
  readonly code: TransactionErrorCode

  /**
   * @param serverError The RFC's error string, as the server sent it.
   * @param details The server's explanation, empty where it gave none.
   * @param operationIndex Which operation failed; undefined where all passed and the commit failed.
   */
  constructor(
    readonly serverError: string,
    readonly details: string,
    readonly operationIndex: number | undefined,
    operationName: string | undefined,
  ) {
    const where =
      operationIndex === undefined ? 'commit' : `operation ${operationIndex} (${operationName ?? '?'})`
    super(`${where}: ${serverError}${details === '' ? '' : `: ${details}`}`)
    this.code = Object.hasOwn(transactionErrorCodes, serverError)
      ? transactionErrorCodes[serverError as keyof typeof transactionErrorCodes]
      : 'unknown'
  }
}

/** The connection went away while an answer was due. Whether the request took effect is not known: read again. */
export class ConnectionLostError extends OvsdbError {
  override readonly name = 'ConnectionLostError'
  readonly code = 'connection-lost'
}

/** There is no synchronised connection: nothing was sent. */
export class NotConnectedError extends OvsdbError {
  override readonly name = 'NotConnectedError'
  readonly code = 'not-connected'
}

/** What arrived is not OVSDB as RFC 7047 has it. */
export class ProtocolError extends OvsdbError {
  override readonly name = 'ProtocolError'
  readonly code = 'protocol'
}

/** The server answered a request with a JSON-RPC error. */
export class RequestError extends OvsdbError {
  override readonly name = 'RequestError'
  readonly code = 'request'

  constructor(
    readonly method: string,
    readonly serverError: string,
    readonly details: string,
  ) {
    super(`${method}: ${serverError}${details === '' ? '' : `: ${details}`}`)
  }
}

/**
 * True where the transaction met a database other than it expected: recompute from the replica and try again, a bounded
 * number of times. That is a `wait` which did not come true, or a name that somebody else took meanwhile (the RFC has
 * one error for every constraint, so the index's is told by its text).
 */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof TransactionError)) return false
  return (
    error.code === 'timed-out' ||
    (error.code === 'constraint-violation' && / for index on column/.test(error.details))
  )
}

/** An error of another realm (Node's own, seen from within a `vm` context) is one too, and keeps its code. */
export function toError(error: unknown): Error {
  return error instanceof Error || types.isNativeError(error)
    ? error
    : new Error(String(error), { cause: error })
}

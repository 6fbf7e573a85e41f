import { decodeRow } from './codec'
import { ProtocolError, TransactionError } from './errors'
import { isArray, isObject, type JsonObject } from './json'
import type { Operation, OperationResult } from './operations'
import type { DatabaseSchema } from './schema'

/**
 * Reads the answer to `transact` (RFC 7047, 4.1.3). Each operation has its result; those after a failed one are null. A
 * commit that failed is told by one result more than there were operations, while all of theirs look fine.
 *
 * @throws TransactionError, or ProtocolError where the answer is none.
 */
export function readResults(
  reply: unknown,
  operations: readonly Operation[],
  schema: DatabaseSchema,
): readonly OperationResult[] {
  if (!isArray(reply)) throw new ProtocolError('the server answered a transaction without results')
  for (const [index, result] of reply.entries()) {
    if (isObject(result) && typeof result['error'] === 'string') {
      const details = typeof result['details'] === 'string' ? result['details'] : ''
      const operation = operations[index]
      throw new TransactionError(
        result['error'],
        details,
        operation === undefined ? undefined : index,
        operation === undefined ? undefined : describe(operation),
      )
    }
  }
  return operations.map((operation, index) => {
    const result = reply[index]
    if (!isObject(result)) throw new ProtocolError(`the server answered operation ${index} with no result`)
    return readResult(result, operation, schema)
  })
}

function readResult(result: JsonObject, operation: Operation, schema: DatabaseSchema): OperationResult {
  const { rows, count, uuid } = result
  if (isArray(rows) && operation.op === 'select') {
    const columns = schema.tables.get(operation.table) ?? new Map<string, never>()
    return { rows: rows.map((row) => decodeRow(row, columns)) }
  }
  if (typeof count === 'number') return { count }
  if (isArray(uuid) && typeof uuid[1] === 'string') return { uuid: uuid[1] }
  return {}
}

function describe(operation: Operation): string {
  return 'table' in operation ? `${operation.op} ${operation.table}` : operation.op
}

import type { Operation, Value } from '../ovsdb'

/** What a transaction would change, a line for each row, in the terms of ovs-vswitchd.conf.db(5). */
export function describeOperations(operations: readonly Operation[]): readonly string[] {
  return operations.flatMap((operation): readonly string[] => {
    switch (operation.op) {
      case 'insert':
        return [`${operation.table} ${describeValue(operation.row['name'] ?? '')} is missing`]
      case 'update':
        return Object.entries(operation.row).map(
          ([column, value]) => `${operation.table} lacks ${column}=${describeValue(value)}`,
        )
      case 'mutate':
        return operation.mutations.map(([column, verb]) => `${operation.table} lacks ${verb} of ${column}`)
      case 'delete':
        return [`${operation.table} has a row too many`]
      case 'select':
      case 'wait':
      case 'comment':
      case 'commit':
      case 'abort':
        return []
    }
  })
}

function describeValue(value: Value): string {
  if (value instanceof Map) return JSON.stringify(Object.fromEntries(value as ReadonlyMap<string, unknown>))
  return typeof value === 'string' ? value : JSON.stringify(value)
}

import { ProtocolError } from './errors'
import { isArray, isObject, type JsonObject } from './json'
import type { Condition, Mutation, Operation } from './operations'
import type { AtomicType, ColumnType, TableSchema } from './schema'
import type { Atom, NamedUuid, Row, StoredAtom, StoredRow, StoredValue, Uuid, Value } from './values'

/** A column's value on the wire (RFC 7047, 5.1 `<value>`). */
export function encodeValue(value: Value): unknown {
  if (isSet(value)) return ['set', value.map(encodeAtom)]
  if (isMap(value)) return ['map', Array.from(value, ([key, item]) => [encodeAtom(key), encodeAtom(item)])]
  return encodeAtom(value)
}

/** An operation on the wire (RFC 7047, 5.2). */
export function encodeOperation(operation: Operation): JsonObject {
  switch (operation.op) {
    case 'insert':
      return {
        op: operation.op,
        table: operation.table,
        row: encodeRow(operation.row),
        'uuid-name': operation.uuidName,
      }
    case 'select':
    case 'delete':
      return { ...operation, where: operation.where.map(encodeClause) }
    case 'update':
      return { ...operation, where: operation.where.map(encodeClause), row: encodeRow(operation.row) }
    case 'mutate':
      return {
        ...operation,
        where: operation.where.map(encodeClause),
        mutations: operation.mutations.map(encodeClause),
      }
    case 'wait': {
      const { timeoutMs, ...rest } = operation
      return {
        ...rest,
        where: operation.where.map(encodeClause),
        rows: operation.rows.map(encodeRow),
        timeout: timeoutMs,
      }
    }
    case 'comment':
    case 'commit':
    case 'abort':
      return operation
  }
}

/**
 * A column's value as it was read. A set of one element may arrive as a bare atom and the reverse (RFC 7047, 5.1
 * `<set>`), so the column's type decides which of them it becomes.
 *
 * @throws ProtocolError where the value is not of the column's type.
 */
export function decodeValue(json: unknown, type: ColumnType): StoredValue {
  if (type.shape === 'map') {
    return new Map(
      tagged(json, 'map').map((pair) => {
        if (!isArray(pair)) throw malformed(pair, 'a pair')
        return [decodeAtom(pair[0], type.key), decodeAtom(pair[1], type.value)] as const
      }),
    )
  }
  const isTaggedSet = isArray(json) && json[0] === 'set'
  const elements = (isTaggedSet ? tagged(json, 'set') : [json]).map((element) =>
    decodeAtom(element, type.atom),
  )
  if (type.shape === 'set') return elements
  const [only] = elements
  if (only === undefined || elements.length > 1) throw malformed(json, 'exactly one value')
  return only
}

/**
 * A row as it was read. Columns that the schema does not know are left out: the server may have been upgraded since the
 * schema was read.
 *
 * @throws ProtocolError where a value is not of its column's type.
 */
export function decodeRow(json: unknown, columns: TableSchema): StoredRow {
  if (!isObject(json)) throw malformed(json, 'a row')
  const row: Record<string, StoredValue> = {}
  for (const [column, value] of Object.entries(json)) {
    const type = columns.get(column)
    if (type !== undefined) row[column] = decodeValue(value, type)
  }
  return row
}

/** What a column holds where nobody set it, and what `update2` leaves out (RFC 7047, 5.2.1; ovsdb-server(7), 4.1.14). */
export function defaultValue(type: ColumnType): StoredValue {
  switch (type.shape) {
    case 'scalar':
      return defaultAtoms[type.atom]
    case 'set':
      return type.min === 0 ? [] : [defaultAtoms[type.atom]]
    case 'map':
      return new Map()
  }
}

const defaultAtoms: Readonly<Record<AtomicType, StoredAtom>> = {
  integer: 0,
  real: 0,
  boolean: false,
  string: '',
  uuid: '00000000-0000-0000-0000-000000000000',
}

/** Narrows what `Array.isArray` cannot: a readonly array in a union. */
function isSet(value: Value): value is readonly Atom[] {
  return Array.isArray(value)
}

function isMap(value: Value): value is ReadonlyMap<Atom, Atom> {
  return value instanceof Map
}

function encodeAtom(atom: Uuid | NamedUuid | StoredAtom): unknown {
  if (typeof atom !== 'object') return atom
  return atom.kind === 'uuid' ? ['uuid', atom.uuid] : ['named-uuid', atom.name]
}

function encodeRow(row: Row): JsonObject {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, encodeValue(value)]))
}

function encodeClause([column, operator, value]: Condition | Mutation): unknown {
  return [column, operator, encodeValue(value)]
}

function decodeAtom(json: unknown, type: AtomicType): StoredAtom {
  switch (type) {
    case 'integer':
    case 'real':
      if (typeof json === 'number') return json
      break
    case 'boolean':
      if (typeof json === 'boolean') return json
      break
    case 'string':
      if (typeof json === 'string') return json
      break
    case 'uuid':
      if (isArray(json) && json[0] === 'uuid' && typeof json[1] === 'string') return json[1]
  }
  throw malformed(json, `of type ${type}`)
}

function tagged(json: unknown, tag: 'set' | 'map'): readonly unknown[] {
  if (!isArray(json) || json[0] !== tag || !isArray(json[1])) throw malformed(json, `a ${tag}`)
  return json[1]
}

function malformed(json: unknown, expected: string): ProtocolError {
  const text = JSON.stringify(json) as string | undefined
  return new ProtocolError(
    `the server sent a value that is not ${expected}: ${(text ?? 'nothing').slice(0, 200)}`,
  )
}

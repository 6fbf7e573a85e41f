import { decodeRow, defaultValue } from './codec'
import { ProtocolError } from './errors'
import { isObject } from './json'
import type { ColumnType, DatabaseSchema, TableSchema } from './schema'
import type { StoredAtom, StoredRow, StoredValue } from './values'

/** `update` tells a row's whole new content (RFC 7047, 4.1.6), `update2` what changed of it (ovsdb-server(7), 4.1.14). */
export type UpdateForm = 'update' | 'update2'

export type RowUpdate =
  | { readonly kind: 'set'; readonly row: StoredRow }
  | { readonly kind: 'modify'; readonly diff: StoredRow }
  | { readonly kind: 'delete' }

export interface TableUpdate {
  readonly table: string
  readonly types: TableSchema
  readonly rows: ReadonlyMap<string, RowUpdate>
}

/** By table, the columns that are monitored. */
export type MonitoredColumns = ReadonlyMap<string, readonly string[]>

/**
 * Reads a notification's, or a monitor's first, `<table-updates>` or `<table-updates2>`.
 *
 * @throws ProtocolError
 */
export function decodeUpdates(
  json: unknown,
  form: UpdateForm,
  schema: DatabaseSchema,
  monitored: MonitoredColumns,
): readonly TableUpdate[] {
  if (!isObject(json)) throw new ProtocolError('the server sent an update without tables')
  return Object.entries(json).map(([table, rows]) => {
    const types = schema.tables.get(table)
    const columns = monitored.get(table)
    if (types === undefined || columns === undefined || !isObject(rows)) {
      throw new ProtocolError(`the server sent an update of table ${table}, which is not monitored`)
    }
    const decode = form === 'update' ? decodeFull : decodeDifference
    return {
      table,
      types,
      rows: new Map(Object.entries(rows).map(([uuid, update]) => [uuid, decode(update, types, columns)])),
    }
  })
}

function decodeFull(json: unknown, types: TableSchema): RowUpdate {
  if (!isObject(json)) throw new ProtocolError('the server sent an update that is no row')
  // The new row may come with a null where the RFC would leave it out.
  return isObject(json['new']) ? { kind: 'set', row: decodeRow(json['new'], types) } : { kind: 'delete' }
}

function decodeDifference(json: unknown, types: TableSchema, columns: readonly string[]): RowUpdate {
  if (!isObject(json)) throw new ProtocolError('the server sent an update that is no row')
  if ('delete' in json) return { kind: 'delete' }
  if ('modify' in json) return { kind: 'modify', diff: decodeRow(json['modify'], types) }
  const row: Record<string, StoredValue> = {}
  for (const column of columns) {
    const type = types.get(column)
    if (type !== undefined) row[column] = defaultValue(type)
  }
  return { kind: 'set', row: { ...row, ...decodeRow(json['insert'] ?? json['initial'], types) } }
}

/**
 * The row that an update makes of `before`; undefined: none.
 *
 * @throws ProtocolError where it modifies a row that is not there: the replica has lost its place.
 */
export function applyRowUpdate(
  before: StoredRow | undefined,
  update: RowUpdate,
  types: TableSchema,
): StoredRow | undefined {
  switch (update.kind) {
    case 'set':
      return update.row
    case 'delete':
      return undefined
    case 'modify': {
      if (before === undefined) throw new ProtocolError('the server modified a row that it never sent')
      const after: Record<string, StoredValue> = { ...before }
      for (const [column, difference] of Object.entries(update.diff)) {
        const type = types.get(column)
        const old = before[column]
        if (type !== undefined && old !== undefined) after[column] = applyDifference(old, difference, type)
      }
      return after
    }
  }
}

/**
 * `old` with `difference` applied. Only a column that may hold several elements has a difference in the proper sense;
 * one of at most a single element, optional ones included, is sent as its new value.
 */
function applyDifference(old: StoredValue, difference: StoredValue, type: ColumnType): StoredValue {
  if (type.shape === 'scalar' || type.max === 1) return difference
  if (isMap(old) && isMap(difference)) return applyMapDifference(old, difference)
  if (isSet(old) && isSet(difference)) return symmetricDifference(old, difference)
  throw new ProtocolError('the server sent a difference of another shape than its column')
}

/** What is in one of the two and not in both; what is left of `old` first, in its order. Sets: nothing is in one twice. */
export function symmetricDifference(
  old: readonly StoredAtom[],
  difference: readonly StoredAtom[],
): readonly StoredAtom[] {
  // By the difference, which is small where a bridge with a thousand ports gets one more.
  const added = new Set(difference)
  const kept = old.filter((element) => !added.delete(element))
  return [...kept, ...added]
}

/** A pair that is already there, with that value, goes; any other is new or has a new value. */
function applyMapDifference(
  old: ReadonlyMap<StoredAtom, StoredAtom>,
  difference: ReadonlyMap<StoredAtom, StoredAtom>,
): ReadonlyMap<StoredAtom, StoredAtom> {
  const pairs = new Map(old)
  for (const [key, value] of difference) {
    if (pairs.get(key) === value) pairs.delete(key)
    else pairs.set(key, value)
  }
  return pairs
}

/** Equality of rows as the database means it: sets and maps have no order. */
export function equalRows(a: StoredRow, b: StoredRow): boolean {
  const columns = Object.keys(a)
  return (
    columns.length === Object.keys(b).length &&
    columns.every((column) => {
      const [left, right] = [a[column], b[column]]
      return left !== undefined && right !== undefined && equalValues(left, right)
    })
  )
}

function equalValues(a: StoredValue, b: StoredValue): boolean {
  if (a === b) return true
  if (isSet(a)) return isSet(b) && symmetricDifference(a, b).length === 0
  if (isMap(a))
    return isMap(b) && a.size === b.size && Array.from(a).every(([key, value]) => b.get(key) === value)
  return false
}

/** Narrows what `Array.isArray` cannot: a readonly array in a union. */
export function isSet(value: StoredValue): value is readonly StoredAtom[] {
  return Array.isArray(value)
}

export function isMap(value: StoredValue): value is ReadonlyMap<StoredAtom, StoredAtom> {
  return value instanceof Map
}

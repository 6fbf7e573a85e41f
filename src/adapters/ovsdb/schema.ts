import { ProtocolError } from './errors'
import { isObject } from './json'

const atomicTypes = ['integer', 'real', 'boolean', 'string', 'uuid'] as const

/** RFC 7047, 3.2 `<atomic-type>`. */
export type AtomicType = (typeof atomicTypes)[number]

/**
 * A column's type (RFC 7047, 3.2), reduced to what reading needs. A `scalar` holds exactly one value; the others hold
 * from none up to `max` of them.
 */
export type ColumnType =
  | { readonly shape: 'scalar'; readonly atom: AtomicType }
  | { readonly shape: 'set'; readonly atom: AtomicType; readonly min: 0 | 1; readonly max: number }
  | { readonly shape: 'map'; readonly key: AtomicType; readonly value: AtomicType; readonly max: number }

export type TableSchema = ReadonlyMap<string, ColumnType>

export interface DatabaseSchema {
  readonly name: string
  /** `x.y.z` */
  readonly version: string
  /** Each with `_uuid` and `_version`, which every table has. */
  readonly tables: ReadonlyMap<string, TableSchema>
}

const uuidColumn: ColumnType = { shape: 'scalar', atom: 'uuid' }

/**
 * Reads the answer to `get_schema`.
 *
 * @throws ProtocolError
 */
export function parseSchema(json: unknown): DatabaseSchema {
  if (!isObject(json) || typeof json['name'] !== 'string' || !isObject(json['tables'])) {
    throw new ProtocolError('the server sent a schema without a name or tables')
  }
  const tables = new Map<string, TableSchema>()
  for (const [table, definition] of Object.entries(json['tables'])) {
    if (!isObject(definition) || !isObject(definition['columns'])) {
      throw new ProtocolError(`the schema's table ${table} has no columns`)
    }
    const columns = new Map([
      ['_uuid', uuidColumn],
      ['_version', uuidColumn],
    ])
    for (const [column, description] of Object.entries(definition['columns'])) {
      columns.set(
        column,
        parseType(isObject(description) ? description['type'] : undefined, `${table}.${column}`),
      )
    }
    tables.set(table, columns)
  }
  // Schemas older than the field have no version (RFC 7047 demands one, ovsdb-server does not).
  const version = typeof json['version'] === 'string' ? json['version'] : ''
  return { name: json['name'], version, tables }
}

function parseType(json: unknown, column: string): ColumnType {
  if (typeof json === 'string') return { shape: 'scalar', atom: parseBaseType(json, column) }
  if (!isObject(json)) throw new ProtocolError(`the schema's column ${column} has no type`)
  const min = json['min'] ?? 1
  const max = json['max'] === 'unlimited' ? Infinity : (json['max'] ?? 1)
  if ((min !== 0 && min !== 1) || typeof max !== 'number' || max < 1) {
    throw new ProtocolError(`the schema's column ${column} has impossible limits`)
  }
  const key = parseBaseType(json['key'], column)
  if (json['value'] !== undefined) {
    return { shape: 'map', key, value: parseBaseType(json['value'], column), max }
  }
  return min === 1 && max === 1 ? { shape: 'scalar', atom: key } : { shape: 'set', atom: key, min, max }
}

/** A `<base-type>` is a name, or an object that adds constraints, which are the server's concern. */
function parseBaseType(json: unknown, column: string): AtomicType {
  const name = isObject(json) ? json['type'] : json
  const type = atomicTypes.find((known) => known === name)
  if (type === undefined) throw new ProtocolError(`the schema's column ${column} has an unknown type`)
  return type
}

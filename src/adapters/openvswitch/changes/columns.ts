import type { Atom, Condition, Operation, Row, StoredRow, StoredValue, TableRow, Value } from '../../ovsdb'
import { op, uuid } from '../../ovsdb'

export function byUuid(found: TableRow): readonly [Condition] {
  return [['_uuid', '==', uuid(found.uuid)]]
}

/** One update of the columns that differ; none where all are so already. */
export function columnUpdates(table: string, found: TableRow, wanted: Row): readonly Operation[] {
  const differing = Object.entries(wanted).filter(([column, value]) => !isSame(found.row[column], value))
  return differing.length === 0 ? [] : [op.update(table, byUuid(found), Object.fromEntries(differing))]
}

/**
 * Sets keys of a map column and leaves its other keys alone. `insert` leaves the value of a key that is there already,
 * so the key goes first.
 */
export function keyUpdates(
  table: string,
  found: TableRow,
  column: string,
  wanted: ReadonlyMap<string, string>,
): readonly Operation[] {
  const stored = found.row[column]
  const differing = [...wanted].filter(
    ([key, value]) => !(stored instanceof Map) || stored.get(key) !== value,
  )
  if (differing.length === 0) return []
  return [
    op.mutate(table, byUuid(found), [
      [column, 'delete', differing.map(([key]) => key)],
      [column, 'insert', new Map(differing)],
    ]),
  ]
}

export function holds(row: StoredRow, wanted: Row): boolean {
  return Object.entries(wanted).every(([column, value]) => isSame(row[column], value))
}

/** A column with at most one value is written as a bare atom or a set of one, and read as one or the other. */
function isSame(stored: StoredValue | undefined, wanted: Value): boolean {
  return canonical(stored ?? []) === canonical(wanted)
}

function canonical(value: Value | StoredValue): string {
  if (value instanceof Map) return JSON.stringify([...(value as ReadonlyMap<string, unknown>)].sort())
  const atoms = Array.isArray(value) ? (value as readonly Atom[]) : [value as Atom]
  return JSON.stringify(atoms.map(plain).sort())
}

/** A uuid that was read is plain text. */
function plain(atom: Atom): unknown {
  return typeof atom === 'object' && atom.kind === 'uuid' ? atom.uuid : atom
}

/** A row's permanent identity, as it is written; rows that were read carry it as plain text. */
export interface Uuid {
  readonly kind: 'uuid'
  readonly uuid: string
}

/** A row that an insert of the same transaction makes: stands for its uuid before it has one. */
export interface NamedUuid {
  readonly kind: 'named-uuid'
  readonly name: string
}

export function uuid(text: string): Uuid {
  return { kind: 'uuid', uuid: text }
}

/** `name` follows the RFC's `<id>`: letters, digits and underscores, not starting with a digit. */
export function namedUuid(name: string): NamedUuid {
  return { kind: 'named-uuid', name }
}

/** What a set or a map holds. Integers beyond 2^53 lose precision: they are JavaScript numbers. */
export type Atom = string | number | boolean | Uuid | NamedUuid

/** What is written to a column: a bare atom, a set, or a map. */
export type Value = Atom | readonly Atom[] | ReadonlyMap<Atom, Atom>

export type Row = Readonly<Record<string, Value>>

/** An atom that was read: a uuid is plain text, so that it can be compared and be a map's key. */
export type StoredAtom = string | number | boolean

/**
 * What was read from a column. Its shape follows from the column's type alone, never from its content: a column that
 * holds exactly one value is a bare atom, one that may hold none or several always an array, a map always a Map.
 */
export type StoredValue = StoredAtom | readonly StoredAtom[] | ReadonlyMap<StoredAtom, StoredAtom>

/** Holds the columns that were asked for, without those that the server's schema does not have. */
export type StoredRow = Readonly<Record<string, StoredValue>>

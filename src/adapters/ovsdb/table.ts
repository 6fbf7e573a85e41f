import type { TableMonitor, TableRow } from './api'
import { isMap, isSet, symmetricDifference } from './updates'
import type { StoredAtom, StoredRow, StoredValue } from './values'

/** One table of the replica: its rows by uuid, and by the indexes that its monitor declares. */
export class ReplicaTable {
  readonly rows = new Map<string, StoredRow>()
  readonly #indexes: ReadonlyMap<string, Index>

  constructor(monitor: TableMonitor) {
    this.#indexes = new Map((monitor.indexes ?? []).map((name) => [name, new Index(name)]))
  }

  set(uuid: string, row: StoredRow): void {
    const before = this.rows.get(uuid)
    this.rows.set(uuid, row)
    for (const index of this.#indexes.values()) index.update(uuid, before, row)
  }

  delete(uuid: string): void {
    const before = this.rows.get(uuid)
    this.rows.delete(uuid)
    for (const index of this.#indexes.values()) index.update(uuid, before, undefined)
  }

  /** Undefined where there is no such index. */
  find(indexName: string, value: StoredAtom): readonly TableRow[] | undefined {
    const index = this.#indexes.get(indexName)
    if (index === undefined) return undefined
    return index.uuids(value).flatMap((uuid) => {
      const row = this.rows.get(uuid)
      return row === undefined ? [] : [{ uuid, row }]
    })
  }
}

/** Rows by what they hold in a column, or under one key of a map column. */
class Index {
  readonly #column: string
  readonly #key: string | undefined
  readonly #uuids = new Map<StoredAtom, Set<string>>()

  /** @param name `column` or `column:key`. */
  constructor(name: string) {
    const colon = name.indexOf(':')
    this.#column = colon === -1 ? name : name.slice(0, colon)
    this.#key = colon === -1 ? undefined : name.slice(colon + 1)
  }

  /** Costs as much as differs: a bridge's set of ports is long, and one port more is most of what happens to it. */
  update(uuid: string, before: StoredRow | undefined, after: StoredRow | undefined): void {
    const [old, present] = [before?.[this.#column], after?.[this.#column]]
    if (old === present) return
    for (const value of differing(this.#valuesOf(old), this.#valuesOf(present))) {
      if (this.#uuids.get(value)?.has(uuid) === true) this.#remove(uuid, value)
      else this.#add(uuid, value)
    }
  }

  #add(uuid: string, value: StoredAtom): void {
    const uuids = this.#uuids.get(value)
    if (uuids === undefined) this.#uuids.set(value, new Set([uuid]))
    else uuids.add(uuid)
  }

  #remove(uuid: string, value: StoredAtom): void {
    const uuids = this.#uuids.get(value)
    uuids?.delete(uuid)
    if (uuids?.size === 0) this.#uuids.delete(value)
  }

  uuids(value: StoredAtom): readonly string[] {
    return [...(this.#uuids.get(value) ?? [])]
  }

  #valuesOf(value: StoredValue | undefined): readonly StoredAtom[] {
    if (value === undefined) return []
    if (isMap(value)) {
      const item = this.#key === undefined ? undefined : value.get(this.#key)
      return item === undefined ? [] : [item]
    }
    return isSet(value) ? value : [value]
  }
}

/** What was added comes last, so that most of two versions of a set is at the start of both. */
function differing(old: readonly StoredAtom[], present: readonly StoredAtom[]): readonly StoredAtom[] {
  const first = present.findIndex((value, index) => value !== old[index])
  const same = first === -1 ? present.length : first
  return symmetricDifference(old.slice(same), present.slice(same))
}

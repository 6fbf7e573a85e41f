/** RFC 7047, 3.2 `<atomic-type>`. */
export type AtomicType = 'integer' | 'real' | 'boolean' | 'string' | 'uuid'

/**
 * A column's type, reduced to what reading needs: `scalar` holds exactly one value, `set` and `map` any other number.
 */
export interface ColumnType {
  readonly shape: 'scalar' | 'set' | 'map'
  readonly key: AtomicType
  /** Of a map. */
  readonly value?: AtomicType
  readonly min: number
  readonly max: number
}

export interface DatabaseSchema {
  readonly name: string
  /** `x.y.z` */
  readonly version: string
  /** By table and column. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, ColumnType>>
}

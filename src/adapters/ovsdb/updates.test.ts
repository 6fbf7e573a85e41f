import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { encodeValue } from './codec'
import { ProtocolError } from './errors'
import { parseSchema } from './schema'
import { applyRowUpdate, decodeUpdates, equalRows, type RowUpdate, type UpdateForm } from './updates'
import type { StoredRow, StoredValue, Value } from './values'

const schema = parseSchema({
  name: 'db',
  tables: {
    T: {
      columns: {
        name: { type: 'string' },
        tag: { type: { key: 'integer', min: 0 } },
        trunks: { type: { key: 'integer', min: 0, max: 'unlimited' } },
        ports: { type: { key: 'integer', min: 1, max: 'unlimited' } },
        ids: { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } },
        one: { type: { key: 'string', value: 'string', min: 0, max: 1 } },
      },
    },
  },
})
const types = schema.tables.get('T') ?? new Map<string, never>()
const monitored = new Map([['T', ['name', 'tag', 'trunks', 'ports', 'ids', 'one']]])

function decode(form: UpdateForm, update: unknown): RowUpdate | undefined {
  return decodeUpdates({ T: { u1: update } }, form, schema, monitored)[0]?.rows.get('u1')
}

function applied(before: StoredRow | undefined, form: UpdateForm, update: unknown): StoredRow | undefined {
  const rowUpdate = decode(form, update)
  if (rowUpdate === undefined) throw new Error('no update')
  return applyRowUpdate(before, rowUpdate, types)
}

const row: StoredRow = {
  name: 'a',
  tag: [1],
  trunks: [1, 2, 3],
  ports: [1],
  ids: new Map([
    ['a', '1'],
    ['b', '2'],
  ]),
  one: new Map([['k', 'v']]),
}

/** What the server sends for a change, by the words of ovsdb-server(7), 4.1.14. */
function differenceOf<Element>(before: readonly Element[], after: readonly Element[]): readonly Element[] {
  return [...before.filter((x) => !after.includes(x)), ...after.filter((x) => !before.includes(x))]
}

describe('update2', () => {
  it('fills in what an inserted row leaves out for being the default', () => {
    expect(applied(undefined, 'update2', { insert: { name: 'x' } })).toEqual({
      name: 'x',
      tag: [],
      trunks: [],
      ports: [0],
      ids: new Map(),
      one: new Map(),
    })
    expect(applied(undefined, 'update2', { initial: { tag: 4 } })).toMatchObject({ name: '', tag: [4] })
  })

  it('changes the columns that it names, and no others', () => {
    expect(applied(row, 'update2', { modify: { name: 'b' } })).toEqual({ ...row, name: 'b' })
  })

  it('takes columns of at most one element as new values, not as differences', () => {
    expect(applied(row, 'update2', { modify: { tag: 2 } })).toEqual({ ...row, tag: [2] })
    expect(applied(row, 'update2', { modify: { tag: ['set', []] } })).toEqual({ ...row, tag: [] })
    expect(applied(row, 'update2', { modify: { one: ['map', [['l', 'w']]] } })).toEqual({
      ...row,
      one: new Map([['l', 'w']]),
    })
  })

  const elements = fc.uniqueArray(fc.integer({ min: 0, max: 9 }))

  it('restores any set from its predecessor and their difference', () => {
    fc.assert(
      fc.property(elements, elements, (before, after) => {
        const result = applied({ ...row, trunks: before }, 'update2', {
          modify: { trunks: ['set', differenceOf(before, after)] },
        })
        expect(new Set(result?.['trunks'] as number[])).toEqual(new Set(after))
      }),
    )
  })

  const pairs = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2'))

  it('restores any map from its predecessor and their difference', () => {
    fc.assert(
      fc.property(pairs, pairs, (before, after) => {
        const gone = Object.entries(before).filter(([key]) => !(key in after))
        const newOrOther = Object.entries(after).filter(([key, value]) => before[key] !== value)
        const result = applied({ ...row, ids: new Map(Object.entries(before)) }, 'update2', {
          modify: { ids: ['map', [...gone, ...newOrOther]] },
        })
        expect(result?.['ids']).toEqual(new Map(Object.entries(after)))
      }),
    )
  })

  it('does not touch the row that it starts from', () => {
    const before = structuredClone(row)
    applied(row, 'update2', { modify: { trunks: 9, ids: ['map', [['a', '1']]] } })
    expect(row).toEqual(before)
  })

  it('deletes', () => {
    expect(applied(row, 'update2', { delete: null })).toBeUndefined()
  })

  it('cannot modify what was never sent', () => {
    expect(() => applied(undefined, 'update2', { modify: { name: 'b' } })).toThrow(ProtocolError)
  })
})

describe('update', () => {
  const encoded = Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, encodeValue(value)]),
  )

  it('has the whole new row, for an insert and a change alike', () => {
    expect(applied(undefined, 'update', { new: encoded })).toEqual(row)
    expect(applied({ ...row, name: 'b' }, 'update', { old: { name: 'b' }, new: encoded })).toEqual(row)
  })

  it('deletes where there is an old row only', () => {
    expect(applied(row, 'update', { old: encoded })).toBeUndefined()
  })
})

it.each([[null], [{ Other: {} }], [{ T: null }], [{ T: { u1: null } }], [{ T: { u1: { modify: 1 } } }]])(
  'refuses %j',
  (json) => {
    expect(() => decodeUpdates(json, 'update2', schema, monitored)).toThrow(ProtocolError)
  },
)

describe('equalRows', () => {
  const changes: readonly (readonly [string, Value])[] = [
    ['name', 'b'],
    ['tag', []],
    ['trunks', [1, 2, 4]],
    ['trunks', [1, 2]],
    ['ids', new Map([['a', '1']])],
    [
      'ids',
      new Map([
        ['a', '1'],
        ['b', '3'],
      ]),
    ],
    ['trunks', 1],
  ]

  it('has no order in sets and maps', () => {
    const shuffled = {
      ...row,
      trunks: [3, 1, 2],
      ids: new Map([...(row['ids'] as Map<string, string>)].reverse()),
    }
    expect(equalRows(row, shuffled)).toBe(true)
  })

  it.each(changes)('sees a change of %s to %j', (column, value) => {
    const other = { ...row, [column]: value as StoredValue }
    expect(equalRows(row, other)).toBe(false)
    expect(equalRows(other, row)).toBe(false)
  })

  it('sees a column come and go', () => {
    expect(equalRows(row, { ...row, more: 1 })).toBe(false)
    expect(equalRows({ ...row, more: 1 }, row)).toBe(false)
  })
})

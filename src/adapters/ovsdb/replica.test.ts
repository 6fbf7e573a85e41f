import { getEventListeners } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { TableChange } from './api'
import { NotConnectedError } from './errors'
import { ReplicaStore } from './replica'
import type { TableSchema } from './schema'
import type { RowUpdate, TableUpdate } from './updates'
import type { StoredRow } from './values'

const types: TableSchema = new Map([
  ['name', { shape: 'scalar', atom: 'string' }],
  ['ports', { shape: 'set', atom: 'string', min: 0, max: Infinity }],
  ['ids', { shape: 'map', key: 'string', value: 'string', max: Infinity }],
])

const never = new AbortController().signal

function store(failures: unknown[] = []) {
  const monitor = { T: { columns: ['name', 'ports', 'ids'], indexes: ['name', 'ports', 'ids:owner'] } }
  const replica = new ReplicaStore(monitor, (error) => failures.push(error))
  const changes: (readonly TableChange[])[] = []
  replica.onChange((batch) => changes.push(batch))
  return { replica, changes }
}

function rowNamed(name: string, ports: readonly string[] = [], ids: Record<string, string> = {}): StoredRow {
  return { name, ports, ids: new Map(Object.entries(ids)) }
}

function rows(updates: Record<string, StoredRow | undefined>): readonly TableUpdate[] {
  const entries = Object.entries(updates).map(([uuid, row]): [string, RowUpdate] => [
    uuid,
    row === undefined ? { kind: 'delete' } : { kind: 'set', row },
  ])
  return [{ table: 'T', types, rows: new Map(entries) }]
}

describe('changes', () => {
  it('tells insert, change and deletion of one update in one batch, after all were applied', () => {
    const { replica } = store()
    replica.synchronise(rows({ a: rowNamed('a'), b: rowNamed('b') }))
    const seen: unknown[] = []
    replica.onChange((batch) => {
      seen.push(batch, [...replica.rows('T').keys()].sort())
    })
    replica.update(rows({ a: rowNamed('a2'), b: undefined, c: rowNamed('c') }))
    expect(seen).toEqual([
      [
        { table: 'T', uuid: 'a', before: rowNamed('a'), after: rowNamed('a2') },
        { table: 'T', uuid: 'b', before: rowNamed('b') },
        { table: 'T', uuid: 'c', after: rowNamed('c') },
      ],
      ['a', 'c'],
    ])
  })

  it('tells, on synchronising again, only what is different, and keeps the rows that are not', () => {
    const { replica, changes } = store()
    replica.synchronise(rows({ same: rowNamed('s', ['1', '2']), other: rowNamed('o'), gone: rowNamed('g') }))
    const same = replica.rows('T').get('same')
    changes.length = 0
    replica.desynchronise()
    replica.synchronise(
      rows({ same: rowNamed('s', ['2', '1']), other: rowNamed('o2'), fresh: rowNamed('n') }),
    )
    expect(changes).toEqual([
      [
        { table: 'T', uuid: 'gone', before: rowNamed('g') },
        { table: 'T', uuid: 'other', before: rowNamed('o'), after: rowNamed('o2') },
        { table: 'T', uuid: 'fresh', after: rowNamed('n') },
      ],
    ])
    expect(replica.rows('T').get('same')).toBe(same)
  })

  it('empties the tables that a server no longer has', () => {
    const { replica, changes } = store()
    replica.synchronise(rows({ a: rowNamed('a') }))
    replica.synchronise([])
    expect(replica.rows('T').size).toBe(0)
    expect(changes.at(-1)).toEqual([{ table: 'T', uuid: 'a', before: rowNamed('a') }])
  })

  it('changes nothing where part of an update does not fit', () => {
    const { replica, changes } = store()
    replica.synchronise(rows({ a: rowNamed('a') }))
    changes.length = 0
    const bad: RowUpdate = { kind: 'modify', diff: { name: 'x' } }
    const updates = rows({ a: rowNamed('a2') }).map((table) => ({
      ...table,
      rows: new Map([...table.rows, ['missing', bad] as const]),
    }))
    expect(() => {
      replica.update(updates)
    }).toThrow()
    expect(replica.rows('T').get('a')).toEqual(rowNamed('a'))
    expect(changes).toEqual([])
  })

  it('tells nothing of the deletion of a row that it never had', () => {
    const { replica, changes } = store()
    replica.synchronise([])
    replica.update(rows({ a: undefined }))
    expect(changes).toEqual([])
  })

  it('reaches every listener though one throws, and none that has ended', () => {
    const failures: unknown[] = []
    const { replica, changes } = store(failures)
    const failure = new Error('mine')
    const end = replica.onChange(() => {
      throw failure
    })
    const late: unknown[] = []
    replica.onChange((batch) => late.push(batch))
    replica.synchronise(rows({ a: rowNamed('a') }))
    end()
    replica.update(rows({ a: undefined }))
    expect(failures).toEqual([failure])
    expect([changes.length, late.length]).toEqual([2, 2])
  })
})

describe('find', () => {
  const row = fc.record({
    name: fc.constantFrom('a', 'b'),
    ports: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
    owner: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
  })
  const history = fc.array(fc.tuple(fc.constantFrom('1', '2', '3', '4'), fc.option(row, { nil: undefined })))

  it('agrees with a search through all rows, whatever happened before', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const { replica } = store()
        replica.synchronise([])
        for (const [uuid, step] of steps) {
          replica.update(
            rows({
              [uuid]:
                step &&
                rowNamed(step.name, step.ports, step.owner === undefined ? {} : { owner: step.owner }),
            }),
          )
        }
        const search = (matches: (row: StoredRow) => boolean) =>
          [...replica.rows('T')].filter(([, found]) => matches(found)).map(([uuid]) => uuid)
        const found = (index: string, value: string) =>
          replica.find('T', index, value).map(({ uuid }) => uuid)
        for (const value of ['a', 'b', 'c']) {
          expect(found('name', value).sort()).toEqual(search((r) => r['name'] === value).sort())
          expect(found('ports', value).sort()).toEqual(
            search((r) => (r['ports'] as string[]).includes(value)).sort(),
          )
          expect(found('ids:owner', value).sort()).toEqual(
            search((r) => (r['ids'] as Map<string, string>).get('owner') === value).sort(),
          )
        }
      }),
    )
  })

  it('refuses what has no index instead of finding nothing', () => {
    expect(() => store().replica.find('T', 'nope', 'a')).toThrow(RangeError)
    expect(() => store().replica.find('Nope', 'name', 'a')).toThrow(RangeError)
  })
})

describe('waitUntil', () => {
  const named = (name: string) => (replica: { find: ReplicaStore['find'] }) =>
    replica.find('T', 'name', name)[0]

  it('looks at the present state first', async () => {
    const { replica } = store()
    replica.synchronise(rows({ u: rowNamed('a') }))
    expect(await replica.waitUntil(named('a'), never)).toMatchObject({ uuid: 'u' })
  })

  it('looks again at each change', async () => {
    const { replica } = store()
    replica.synchronise([])
    const { signal } = new AbortController()
    const waiting = replica.waitUntil(named('b'), signal)
    replica.update(rows({ u: rowNamed('a') }))
    replica.update(rows({ v: rowNamed('b') }))
    expect(await waiting).toMatchObject({ uuid: 'v' })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('takes zero and the empty string for answers', async () => {
    const { replica } = store()
    replica.synchronise([])
    expect(await replica.waitUntil(() => 0, never)).toBe(0)
    expect(await replica.waitUntil(() => '', never)).toBe('')
  })

  it('asks nothing of a replica that is not synchronised', async () => {
    const { replica } = store()
    let asked = 0
    const isEmpty = () => {
      asked++
      return replica.rows('T').size === 0
    }
    const early = replica.waitUntil(isEmpty, never)
    expect(asked).toBe(0)
    replica.synchronise([])
    await early
    replica.desynchronise()
    const late = replica.waitUntil(isEmpty, never)
    expect(asked).toBe(1)
    replica.synchronise([])
    await late
    expect(asked).toBe(2)
  })

  it('ends with the signal, with what the predicate throws, or with the replica', async () => {
    const { replica } = store()
    replica.synchronise([])
    const abort = new AbortController()
    const aborted = replica.waitUntil(() => false, abort.signal)
    abort.abort(new Error('deadline'))
    await expect(aborted).rejects.toThrow('deadline')
    await expect(replica.waitUntil(() => true, abort.signal)).rejects.toThrow('deadline')

    const thrown = replica.waitUntil(() => {
      if (replica.rows('T').size > 0) throw new Error('bad row')
      return false
    }, never)
    replica.update(rows({ a: rowNamed('a') }))
    await expect(thrown).rejects.toThrow('bad row')

    const open = replica.waitUntil(() => false, never)
    const closed = new NotConnectedError('closed')
    replica.close(closed)
    await expect(open).rejects.toBe(closed)
    await expect(replica.waitUntil(() => true, never)).rejects.toBe(closed)
    replica.synchronise([])
    expect(replica.synchronised).toBe(false)
  })
})

import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { decodeRow, decodeValue, encodeOperation, encodeValue } from './codec'
import { ProtocolError } from './errors'
import { op } from './operations'
import type { AtomicType, ColumnType } from './schema'
import { namedUuid, uuid, type Atom, type StoredAtom } from './values'

const atomicTypes: readonly AtomicType[] = ['integer', 'real', 'boolean', 'string', 'uuid']

function atom(type: AtomicType): fc.Arbitrary<StoredAtom> {
  switch (type) {
    case 'integer':
      return fc.maxSafeInteger()
    case 'real':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0)
    case 'boolean':
      return fc.boolean()
    case 'string':
      return fc.string({ unit: 'binary' })
    case 'uuid':
      return fc.uuid()
  }
}

/** As the writer has it: a uuid is wrapped, so that the server does not take it for a string. */
function written(stored: StoredAtom, type: AtomicType): Atom {
  return type === 'uuid' ? uuid(String(stored)) : stored
}

/** Through JSON, as the wire has it. */
function sent(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json)) as unknown
}

describe('values', () => {
  it.each(atomicTypes)('a scalar of type %s comes back as it was written', (type) => {
    fc.assert(
      fc.property(atom(type), (value) => {
        expect(decodeValue(sent(encodeValue(written(value, type))), { shape: 'scalar', atom: type })).toBe(
          value,
        )
      }),
    )
  })

  it.each(atomicTypes)('a set of type %s comes back as it was written', (type) => {
    fc.assert(
      fc.property(fc.array(atom(type)), (values) => {
        const json = sent(encodeValue(values.map((value) => written(value, type))))
        expect(decodeValue(json, { shape: 'set', atom: type, min: 0, max: Infinity })).toEqual(values)
      }),
    )
  })

  it('a map comes back as it was written, whatever the types of its pairs', () => {
    const types = fc.tuple(fc.constantFrom(...atomicTypes), fc.constantFrom(...atomicTypes))
    const maps = types.chain(([key, value]) =>
      fc.tuple(fc.constant({ key, value }), fc.array(fc.tuple(atom(key), atom(value)))),
    )
    fc.assert(
      fc.property(maps, ([{ key, value }, pairs]) => {
        const map = new Map(pairs.map(([k, v]) => [written(k, key), written(v, value)] as const))
        const stored = new Map(Array.from(map, ([k, v]) => [plain(k), plain(v)] as const))
        expect(decodeValue(sent(encodeValue(map)), { shape: 'map', key, value, max: Infinity })).toEqual(
          stored,
        )
      }),
    )
  })

  const set: ColumnType = { shape: 'set', atom: 'string', min: 0, max: 1 }
  const scalar: ColumnType = { shape: 'scalar', atom: 'string' }

  it('the column, not the content, decides between a set and an atom', () => {
    expect(decodeValue('one', set)).toEqual(['one'])
    expect(decodeValue(['set', []], set)).toEqual([])
    expect(decodeValue('one', scalar)).toBe('one')
    expect(decodeValue(['set', ['one']], scalar)).toBe('one')
  })

  it.each<[string, unknown, ColumnType]>([
    ['no value for a scalar', ['set', []], scalar],
    ['two values for a scalar', ['set', ['a', 'b']], scalar],
    ['a number for a string', 1, scalar],
    ['a string for a number', '1', { shape: 'scalar', atom: 'integer' }],
    ['a number for a boolean', 1, { shape: 'scalar', atom: 'boolean' }],
    ['a bare string for a uuid', 'c0ffee', { shape: 'scalar', atom: 'uuid' }],
    ['a set for a map', ['set', []], { shape: 'map', key: 'string', value: 'string', max: Infinity }],
    ['half a pair', ['map', [['a']]], { shape: 'map', key: 'string', value: 'string', max: Infinity }],
    ['nothing', undefined, scalar],
  ])('refuses %s', (_what, json, type) => {
    expect(() => decodeValue(json, type)).toThrow(ProtocolError)
  })

  it('leaves out columns that the schema does not know', () => {
    expect(decodeRow({ name: 'a', newer: 1 }, new Map([['name', scalar]]))).toEqual({ name: 'a' })
  })
})

function plain(value: Atom): StoredAtom {
  if (typeof value !== 'object') return value
  return value.kind === 'uuid' ? value.uuid : value.name
}

describe('operations, as RFC 7047, 5.2 has them', () => {
  const where = [['name', '==', 'br0']] as const

  it.each([
    [
      op.insert(
        'Port',
        { name: 'p', interfaces: [namedUuid('i')], external_ids: new Map([['a', 'b']]) },
        'row',
      ),
      {
        op: 'insert',
        table: 'Port',
        row: { name: 'p', interfaces: ['set', [['named-uuid', 'i']]], external_ids: ['map', [['a', 'b']]] },
        'uuid-name': 'row',
      },
    ],
    [op.insert('Port', {}), { op: 'insert', table: 'Port', row: {} }],
    [
      op.select('Bridge', where, ['_uuid']),
      { op: 'select', table: 'Bridge', where: [['name', '==', 'br0']], columns: ['_uuid'] },
    ],
    [op.select('Bridge', []), { op: 'select', table: 'Bridge', where: [] }],
    [
      op.update('Bridge', [['_uuid', '==', uuid('u')]], { stp_enable: true }),
      { op: 'update', table: 'Bridge', where: [['_uuid', '==', ['uuid', 'u']]], row: { stp_enable: true } },
    ],
    [
      op.mutate('Bridge', where, [['external_ids', 'delete', ['a']]]),
      {
        op: 'mutate',
        table: 'Bridge',
        where: [['name', '==', 'br0']],
        mutations: [['external_ids', 'delete', ['set', ['a']]]],
      },
    ],
    [op.remove('Bridge', where), { op: 'delete', table: 'Bridge', where: [['name', '==', 'br0']] }],
    [
      op.wait('Bridge', { where, columns: ['name'], until: '==', rows: [{ name: 'br0' }], timeoutMs: 7 }),
      {
        op: 'wait',
        table: 'Bridge',
        where: [['name', '==', 'br0']],
        columns: ['name'],
        until: '==',
        rows: [{ name: 'br0' }],
        timeout: 7,
      },
    ],
    [op.comment('why'), { op: 'comment', comment: 'why' }],
    [op.commit({ durable: true }), { op: 'commit', durable: true }],
    [op.abort(), { op: 'abort' }],
  ])('%j', (operation, json) => {
    expect(sent(encodeOperation(operation))).toEqual(json)
  })
})

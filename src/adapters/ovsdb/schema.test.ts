import { describe, expect, it } from '@jest/globals'
import { ProtocolError } from './errors'
import { parseSchema } from './schema'

function columnsOf(columns: Record<string, unknown>) {
  return parseSchema({ name: 'db', version: '1.2.3', tables: { T: { columns } } }).tables.get('T')
}

describe('parseSchema', () => {
  it('tells scalars, sets and maps apart by their limits', () => {
    const columns = columnsOf({
      name: { type: 'string', mutable: false },
      count: { type: { key: { type: 'integer', minInteger: 0 } } },
      tag: { type: { key: 'integer', min: 0 } },
      interfaces: { type: { key: { type: 'uuid', refTable: 'I' }, max: 'unlimited' } },
      ids: { type: { key: 'string', value: { type: 'real' }, min: 0, max: 'unlimited' } },
    })
    expect(columns && Object.fromEntries(columns)).toEqual({
      _uuid: { shape: 'scalar', atom: 'uuid' },
      _version: { shape: 'scalar', atom: 'uuid' },
      name: { shape: 'scalar', atom: 'string' },
      count: { shape: 'scalar', atom: 'integer' },
      tag: { shape: 'set', atom: 'integer', min: 0, max: 1 },
      interfaces: { shape: 'set', atom: 'uuid', min: 1, max: Infinity },
      ids: { shape: 'map', key: 'string', value: 'real', max: Infinity },
    })
  })

  it('takes a schema without a version, which ovsdb-server allows', () => {
    expect(parseSchema({ name: 'db', tables: {} }).version).toBe('')
  })

  it.each([
    ['no object', null],
    ['no tables', { name: 'db' }],
    ['a table without columns', { name: 'db', tables: { T: {} } }],
    ['a column without a type', { name: 'db', tables: { T: { columns: { c: {} } } } }],
    ['an unknown type', { name: 'db', tables: { T: { columns: { c: { type: 'blob' } } } } }],
    [
      'impossible limits',
      { name: 'db', tables: { T: { columns: { c: { type: { key: 'string', max: 0 } } } } } },
    ],
  ])('refuses %s', (_what, json) => {
    expect(() => parseSchema(json)).toThrow(ProtocolError)
  })
})

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import fc from 'fast-check'
import {
  isRetryable,
  namedUuid,
  op,
  uuid,
  type Operation,
  type OvsdbClient,
} from '../../../src/adapters/ovsdb'
import { startOvs, type Ovs } from '../../fixtures/ovs'
import { soon, startClient } from './clients'

jest.setTimeout(30_000)

const root = 'Open_vSwitch'

let ovs: Ovs
let client: OvsdbClient

beforeAll(async () => {
  ovs = await startOvs({ switchd: false })
})

afterAll(async () => {
  await ovs.stop()
})

beforeEach(async () => {
  client = startClient({ kind: 'unix', path: ovs.socketPath }).client
  await client.waitSynchronised(soon())
})

afterEach(async () => {
  await client.transact([op.update(root, [], { bridges: [], external_ids: new Map() })], soon())
  await client.close()
})

function addBridge(name: string): readonly Operation[] {
  return [
    op.insert('Interface', { name }, 'interface'),
    op.insert('Port', { name, interfaces: namedUuid('interface') }, 'port'),
    op.insert(
      'Bridge',
      { name, ports: namedUuid('port'), external_ids: new Map([['owner', name]]) },
      'bridge',
    ),
    op.mutate(root, [], [['bridges', 'insert', namedUuid('bridge')]]),
  ]
}

async function failureOf(operations: readonly Operation[]): Promise<unknown> {
  return client.transact(operations, soon()).then(
    () => 'committed',
    (error: unknown) => error,
  )
}

describe('the replica', () => {
  it('shows a transaction as soon as it has resolved', async () => {
    for (let round = 0; round < 50; round++) {
      const name = `br${round}`
      const results = await client.transact(addBridge(name), soon())
      expect(client.replica.find('Bridge', 'name', name)[0]?.uuid).toBe(results[2]?.uuid)
      expect(client.replica.find('Bridge', 'external_ids:owner', name)).toHaveLength(1)
    }
  })

  it('follows columns of one, of at most one, and of any number of values', async () => {
    await client.transact(addBridge('br'), soon())
    const where = [['name', '==', 'br']] as const
    const port = () => client.replica.find('Port', 'name', 'br')[0]?.row
    expect(port()).toMatchObject({ tag: [], trunks: [], external_ids: new Map() })

    const ids = (pairs: Record<string, string>) => new Map(Object.entries(pairs))
    await client.transact(
      [op.update('Port', where, { tag: 1, trunks: [1, 2], external_ids: ids({ a: '1', b: '2' }) })],
      soon(),
    )
    expect(port()).toMatchObject({ tag: [1], trunks: [1, 2], external_ids: ids({ a: '1', b: '2' }) })

    await client.transact(
      [op.update('Port', where, { tag: 2, trunks: [2, 3], external_ids: ids({ b: '3', c: '4' }) })],
      soon(),
    )
    expect(port()).toMatchObject({ tag: [2], trunks: [2, 3], external_ids: ids({ b: '3', c: '4' }) })

    await client.transact(
      [op.update('Port', where, { tag: [], trunks: [], external_ids: new Map() })],
      soon(),
    )
    expect(port()).toMatchObject({ tag: [], trunks: [], external_ids: new Map() })
  })

  it('after any history is what a newcomer reads', async () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 5 }))
    const step = fc.oneof(
      name.map(addBridge),
      name.map((text) => [
        op.mutate(
          root,
          [],
          [['bridges', 'delete', client.replica.find('Bridge', 'name', text).map((b) => uuid(b.uuid))]],
        ),
      ]),
      fc
        .tuple(name, numbers)
        .map(([text, trunks]) => [
          op.update('Port', [['name', '==', text]], { trunks, tag: trunks.slice(0, 1) }),
        ]),
      fc.tuple(name, numbers).map(([text, keys]) => [
        op.update('Bridge', [['name', '==', text]], {
          external_ids: new Map(keys.map((key) => [`k${key % 3}`, String(key)])),
        }),
      ]),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        // Names that are taken and rows that are gone are part of the history.
        for (const operations of steps) await failureOf(operations)
        const newcomer = startClient({ kind: 'unix', path: ovs.socketPath }).client
        try {
          await newcomer.waitSynchronised(soon())
          for (const table of ['Bridge', 'Port', root]) {
            expect(sorted(client, table)).toEqual(sorted(newcomer, table))
          }
        } finally {
          await newcomer.close()
        }
      }),
      { numRuns: 15 },
    )
  })

  it('takes more than 10 MB at once without harming a character', async () => {
    const text = 'é漢🦊"\\{'.repeat(2000)
    const pairs = Array.from({ length: 400 }, (_, index) => [`key ${index} ü`, `${index} ${text}`] as const)
    await client.transact([op.update(root, [], { external_ids: new Map(pairs) })], soon())
    const other = startClient({ kind: 'unix', path: ovs.socketPath }).client
    try {
      await other.waitSynchronised(soon())
      const selected = await other.transact([op.select(root, [], ['external_ids'])], soon())
      for (const row of [[...other.replica.rows(root).values()][0], selected[0]?.rows?.[0]]) {
        const stored = row?.['external_ids'] as ReadonlyMap<string, string>
        expect(stored.size).toBe(400)
        expect(pairs.every(([key, value]) => stored.get(key) === value)).toBe(true)
      }
      expect(Buffer.byteLength(JSON.stringify(pairs))).toBeGreaterThan(10_000_000)
    } finally {
      await other.close()
    }
  })
})

/** Sets have no order, and a replica need not agree with another on one. */
function sorted(of: OvsdbClient, table: string): unknown {
  return [...of.replica.rows(table)]
    .map(([id, row]) => [
      id,
      Object.entries(row)
        .map(([column, value]) => [
          column,
          value instanceof Map || Array.isArray(value)
            ? Array.from(value as Iterable<unknown>, String).sort()
            : value,
        ])
        .sort(),
    ])
    .sort()
}

describe('a refused transaction', () => {
  it('names the operation, and leaves nothing behind', async () => {
    const error = await failureOf([...addBridge('br'), op.update('Port', [], { tag: 5000 })])
    expect(error).toMatchObject({ code: 'constraint-violation', operationIndex: 4 })
    expect(client.replica.rows('Bridge').size).toBe(0)
  })

  it('can be refused at the commit: a name that is taken may be tried again, a reference to nothing not', async () => {
    await client.transact(addBridge('br'), soon())
    const taken = await failureOf(addBridge('br'))
    expect(taken).toMatchObject({ code: 'constraint-violation', operationIndex: undefined })
    expect(isRetryable(taken)).toBe(true)
    const dangling = await failureOf([
      op.update('Bridge', [], { ports: uuid('00000000-0000-4000-8000-000000000000') }),
    ])
    expect(dangling).toMatchObject({ code: 'referential-integrity-violation', operationIndex: undefined })
    expect(isRetryable(dangling)).toBe(false)
  })

  it.each<[string, readonly Operation[]]>([
    ['timed-out', [op.assertExists('Bridge', [['name', '==', 'none']])]],
    ['timed-out', [op.assertAbsent('Open_vSwitch', [])]],
    ['syntax-error', [op.insert('Nope', {})]],
    ['unknown-column', [op.insert('Bridge', { nope: 1 })]],
    [
      'duplicate-uuid-name',
      [op.insert('Bridge', { name: 'a' }, 'x'), op.insert('Bridge', { name: 'b' }, 'x')],
    ],
    ['domain-error', [op.mutate(root, [], [['next_cfg', '/=', 0]])]],
    ['aborted', [op.abort()]],
  ])('says %s', async (code, operations) => {
    expect(await failureOf(operations)).toMatchObject({ name: 'TransactionError', code })
  })

  it('passes where the assertions hold', async () => {
    await client.transact(addBridge('br'), soon())
    const results = await client.transact(
      [
        op.assertExists('Bridge', [['name', '==', 'br']]),
        op.assertAbsent('Bridge', [['name', '==', 'none']]),
        op.remove('Port', [['name', '==', 'none']]),
        op.commit({ durable: true }),
      ],
      soon(),
    )
    expect(results).toEqual([{}, {}, { count: 0 }, {}])
  })
})

describe('a waiting transaction', () => {
  const untilMarked = (timeoutMs?: number) =>
    op.wait(root, {
      where: [['external_ids', 'includes', new Map([['marked', 'yes']])]],
      columns: ['external_ids'],
      until: '!=',
      rows: [],
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })

  it('goes on when somebody makes its condition true', async () => {
    const waiting = client.transact([untilMarked(), ...addBridge('br')], soon())
    await ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:marked=yes')
    await waiting
    expect(client.replica.find('Bridge', 'name', 'br')).toHaveLength(1)
  })

  it('fails when its time is over', async () => {
    const error = await failureOf([untilMarked(50)])
    expect(error).toMatchObject({ code: 'timed-out', operationIndex: 0 })
    expect(isRetryable(error)).toBe(true)
  })

  it('is cancelled by an abort: it does not happen when the condition comes true later', async () => {
    const abort = new AbortController()
    const waiting = client.transact([untilMarked(), ...addBridge('br')], abort.signal)
    await client.transact([op.comment('the server has the other one by now')], soon())
    abort.abort(new Error('deadline'))
    await expect(waiting).rejects.toThrow('deadline')
    await ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:marked=yes')
    await client.replica.waitUntil(
      (replica) =>
        [...replica.rows(root).values()].some((row) =>
          (row['external_ids'] as Map<string, string>).has('marked'),
        ),
      soon(),
    )
    await client.transact([op.comment('the server would have run it by now')], soon())
    expect(client.replica.rows('Bridge').size).toBe(0)
  })
})

import { duplexPair } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { ProtocolError } from '../../src/adapters/ovsdb'
import { Framer } from '../../src/adapters/ovsdb/framer'
import { RpcConnection } from '../../src/adapters/ovsdb/rpc'
import { cut, cuts, fuzzRuns, mutated } from './mutations'

const messages = [
  '{"id":1,"result":[{"count":1},{"rows":[{"next_cfg":7}]}],"error":null}',
  '{"id":2,"result":null,"error":{"error":"timed out","details":"\\"wait\\" {timed} out"}}',
  '{"method":"echo","id":"echo","params":[]}',
  '{"method":"update2","id":null,"params":["m",{"Bridge":{"u":{"modify":{"name":"br\\\\0é"}}}}]}',
]
const streams = [...messages, messages.join(''), messages.join('\n'), messages.join(' \r\n\t')]

/** The frames of a stream, and the error at which it ended. */
function frames(
  chunks: readonly Buffer[],
  limit = 1 << 16,
): { readonly frames: readonly string[]; readonly error?: unknown } {
  const framer = new Framer(limit)
  const found: string[] = []
  try {
    for (const chunk of chunks) for (const frame of framer.push(chunk)) found.push(frame)
    return { frames: found }
  } catch (error) {
    return { frames: found, error }
  }
}

describe('whatever bytes a database server sends', () => {
  it('the framer gives the same frames however they are cut, and fails with a ProtocolError at most', () => {
    fc.assert(
      fc.property(mutated(streams), cuts, (bytes, places) => {
        const whole = frames([bytes])
        const pieces = frames(cut(bytes, places))
        expect(pieces.frames).toEqual(whole.frames)
        for (const { error } of [whole, pieces]) {
          if (error !== undefined) expect(error).toBeInstanceOf(ProtocolError)
        }
        expect(pieces.error === undefined).toBe(whole.error === undefined)
      }),
      { numRuns: fuzzRuns * 5 },
    )
  })

  it('the framer holds no more than its limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), cuts, (length, places) => {
        const { error } = frames(cut(Buffer.from(`{${'x'.repeat(length)}`), places), 100)
        expect(error instanceof ProtocolError).toBe(length + 1 > 100)
      }),
      { numRuns: fuzzRuns },
    )
  })

  it('every request is settled: answered, or rejected when the connection ends', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(streams), cuts, async (bytes, places) => {
        const [near, far] = duplexPair()
        const connection = new RpcConnection(near, {
          onNotification: () => undefined,
          onActivity: () => undefined,
          onClosed: () => undefined,
        })
        const outcomes = [1, 2, 3].map((n) =>
          connection.request('transact', [n]).then(
            () => 'answered',
            (error: unknown) => (error instanceof Error ? 'rejected' : error),
          ),
        )
        far.resume()
        for (const chunk of cut(bytes, places)) far.write(chunk)
        far.end()
        expect(await connection.closed).toBeInstanceOf(Error)
        for (const outcome of await Promise.all(outcomes)) expect(['answered', 'rejected']).toContain(outcome)
      }),
      { numRuns: fuzzRuns },
    )
  })
})

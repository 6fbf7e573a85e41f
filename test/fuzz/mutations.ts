import fc from 'fast-check'

/** One change to a text's bytes; `at` is a share of its length. */
interface Mutation {
  readonly kind: 'flip' | 'insert' | 'remove' | 'repeat' | 'truncate'
  readonly at: number
  readonly bytes: Uint8Array
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('flip', 'insert', 'remove', 'repeat', 'truncate'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    // What parsers take for structure.
    fc.constantFrom('\0', '\r\n\r\n', '{', '}', '"', '\\', '[[[[', '0\r\n', '-1', '\xff\xfe').map(bytesOf),
  ),
})

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** The bytes of one of the texts after a few changes. fast-check prints the seed of a case that fails, and shrinks it. */
export function mutated(texts: readonly string[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.constantFrom(...texts), fc.array(mutation, { minLength: 1, maxLength: 6 }))
    .map(([text, mutations]) => mutations.reduce(mutate, Buffer.from(text)))
}

function mutate(bytes: Buffer, { kind, at, bytes: more }: Mutation): Buffer {
  const place = Math.floor(at * bytes.length)
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)]
  switch (kind) {
    case 'flip':
      return Buffer.concat([before, Buffer.from([(after[0] ?? 0) ^ (more[0] ?? 1)]), after.subarray(1)])
    case 'insert':
      return Buffer.concat([before, more, after])
    case 'remove':
      return Buffer.concat([before, after.subarray(more.length)])
    case 'repeat':
      return Buffer.concat([bytes, after])
    case 'truncate':
      return Buffer.from(before)
  }
}

/** Where a stream of that many bytes is cut on its way. */
export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 })

export function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...places.map((place) => Math.floor(place * bytes.length)), bytes.length]
  let start = 0
  return ends
    .toSorted((a, b) => a - b)
    .map((end) => {
      const chunk = bytes.subarray(start, end)
      start = end
      return chunk
    })
}

/** Cases of one property: a few hundred in CI, FUZZ_RUNS in the long form. */
export const fuzzRuns = Number(process.env['FUZZ_RUNS'] ?? 300)

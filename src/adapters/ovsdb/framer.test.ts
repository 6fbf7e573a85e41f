import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { ProtocolError } from './errors'
import { Framer } from './framer'

const unlimited = 1 << 30

function feed(framer: Framer, chunks: readonly Buffer[]): readonly string[] {
  return chunks.flatMap((chunk) => [...framer.push(chunk)])
}

function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

/** Strings of what a careless framer trips over: quotes, backslashes, braces, several bytes for one character. */
const nastyText = fc.string({
  unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', 'a', 'é', '漢', '🦊', '\u0000', '\n', '\\"', '\\\\'),
})
const message = fc
  .dictionary(nastyText, fc.jsonValue({ stringUnit: 'binary' }))
  .chain((object) => nastyText.map((text) => ({ ...object, text })))
const whitespace = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t') })

describe('Framer', () => {
  it('finds the same objects however the bytes were chopped', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(message, whitespace)), fc.array(fc.nat()), (messages, places) => {
        const texts = messages.map(([object]) => JSON.stringify(object))
        const stream = Buffer.from(messages.map(([object, gap]) => JSON.stringify(object) + gap).join(''))
        expect(feed(new Framer(unlimited), cut(stream, places))).toEqual(texts)
      }),
    )
  })

  it('takes single bytes, and escapes that were never unescaped', () => {
    const text = String.raw`{"a":"\"}{\\","b":"\\\"","c":{"d":"é漢🦊"}}`
    const bytes = Buffer.from(text + text)
    expect(
      feed(
        new Framer(unlimited),
        Array.from(bytes, (byte) => Buffer.of(byte)),
      ),
    ).toEqual([text, text])
  })

  it('delivers what was complete before it meets garbage', () => {
    const frames: string[] = []
    expect(() => {
      for (const frame of new Framer(unlimited).push(Buffer.from('{"a":1} {"b":2} ]'))) frames.push(frame)
    }).toThrow(ProtocolError)
    expect(frames).toEqual(['{"a":1}', '{"b":2}'])
  })

  it.each(['[]', '1', '}', 'HTTP/1.1 400 Bad Request'])('refuses %s: no object', (text) => {
    expect(() => feed(new Framer(unlimited), [Buffer.from(text)])).toThrow(/no JSON object/)
  })

  it('holds frames up to the limit, in one chunk or many, and no more', () => {
    const text = '{"a":"12345678"}'
    const framer = new Framer(text.length)
    expect(feed(framer, [Buffer.from(text + text)])).toEqual([text, text])
    expect(feed(framer, [Buffer.from(text.slice(0, 7)), Buffer.from(text.slice(7))])).toEqual([text])
    expect(() => feed(framer, [Buffer.from('{"a":"123'), Buffer.from('45678901')])).toThrow(
      /more than 16 bytes/,
    )
  })

  it('refuses text that is not UTF-8 instead of replacing what it cannot read', () => {
    const frame = Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')])
    expect(() => feed(new Framer(unlimited), [frame])).toThrow(/not UTF-8/)
  })
})

import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { attribute, decodeAttributes, decodeMessages, encodeMessage, text, textOf, uint32 } from './messages'

const [NLMSG_ERROR, NLMSG_DONE, CAPPED_WITH_TLVS] = [2, 3, 0x300]

const reply = (type: number, flags: number, ...payload: readonly Buffer[]): Buffer =>
  encodeMessage({ type, flags, payload: Buffer.concat(payload) }, 7)

const ENOENT = uint32(-2 >>> 0)

describe('a netlink message', () => {
  it('has the header of linux/netlink.h, and is padded to four bytes', () => {
    const message = encodeMessage({ type: 16, flags: 5, payload: Buffer.from([0xaa]) }, 0x01020304)
    expect(message.toString('hex')).toBe('11000000' + '1000' + '0500' + '04030201' + '00000000' + 'aa000000')
  })

  it('ends a request well, or with the error and the kernel’s own words', () => {
    const header = Buffer.alloc(16)
    const words = attribute(1, text('no such chain'))
    const datagram = Buffer.concat([
      reply(NLMSG_ERROR, 0, uint32(0), header),
      reply(NLMSG_ERROR, CAPPED_WITH_TLVS, ENOENT, header, words),
      reply(NLMSG_DONE, 0, uint32(0)),
    ])
    expect(decodeMessages(datagram).map(({ content }) => content)).toEqual([
      { kind: 'end', errno: 0 },
      { kind: 'end', errno: 2, reason: 'no such chain' },
      { kind: 'end', errno: 0 },
    ])
  })

  it('that is cut off is an error, and bytes at random are read or refused', () => {
    expect(() => decodeMessages(reply(16, 0, uint32(1)).subarray(0, 18))).toThrow(RangeError)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const { content } of decodeMessages(Buffer.from(bytes))) {
            if (content.kind === 'object') decodeAttributes(content.payload)
          }
        } catch (error) {
          expect(error).toHaveProperty('name', 'RangeError')
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('attributes', () => {
  it('come back as they were written, nested ones too', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 0x3fff }), { maxLength: 20 }),
        fc.uint8Array({ maxLength: 40 }),
        (types, bytes) => {
          const written = types.map((type) => attribute(type, Buffer.from(bytes), uint32(type)))
          const read = decodeAttributes(attribute(3, ...written).subarray(4))
          expect([...read].map(([type, value]) => [type, value.readUInt32LE(bytes.length)])).toEqual(
            types.map((type) => [type, type]),
          )
        },
      ),
    )
  })

  it('hold texts up to their NUL', () => {
    expect(textOf(decodeAttributes(attribute(3, text('eth0'))).get(3))).toBe('eth0')
    expect(textOf(Buffer.from('alias'))).toBe('alias')
  })
})

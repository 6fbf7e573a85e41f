/**
 * The wire format of netlink (linux/netlink.h, RFC 3549): messages of attributes, aligned to 4 bytes, in the machine's
 * byte order. Every machine that Node's `linux-x64` and `linux-arm64` run on is little-endian.
 */

export const NLM = {
  REQUEST: 0x1,
  /** The kernel answers with an acknowledgement, also where it has nothing else to say. */
  ACK: 0x4,
  /** Fail where it is there already. */
  EXCLUSIVE: 0x200,
  /** Every object of a kind. */
  DUMP: 0x300,
  CREATE: 0x400,
} as const

const HEADER = 16
const ATTRIBUTE_HEADER = 4
const NLMSG_ERROR = 2
const NLMSG_DONE = 3
/** An acknowledgement that carries attributes (extended acknowledgement). */
const NLM_ACK_TLVS = 0x200
const NLM_DUMP_INTERRUPTED = 0x10
const NLMSGERR_ATTR_MSG = 1
const ATTRIBUTE_TYPE = 0x3fff

export interface NetlinkRequest {
  readonly type: number
  readonly flags: number
  readonly payload: Buffer
}

export interface NetlinkMessage {
  readonly sequence: number
  readonly content:
    | { readonly kind: 'object'; readonly payload: Buffer; readonly interrupted: boolean }
    /** The end of a request: `errno` is 0 or the kernel's positive error number, `reason` its own words if it has any. */
    | { readonly kind: 'end'; readonly errno: number; readonly reason?: string }
}

const align = (length: number): number => (length + 3) & ~3

export function encodeMessage({ type, flags, payload }: NetlinkRequest, sequence: number): Buffer {
  const message = Buffer.alloc(align(HEADER + payload.length))
  message.writeUInt32LE(HEADER + payload.length, 0)
  message.writeUInt16LE(type, 4)
  message.writeUInt16LE(flags, 6)
  message.writeUInt32LE(sequence, 8)
  payload.copy(message, HEADER)
  return message
}

/** @throws RangeError where the datagram is cut off. */
export function decodeMessages(datagram: Buffer): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  for (let offset = 0; offset < datagram.length;) {
    const length = datagram.readUInt32LE(offset)
    if (length < HEADER || offset + length > datagram.length) throw new RangeError('cut-off netlink message')
    messages.push(decodeMessage(datagram.subarray(offset, offset + length)))
    offset += align(length)
  }
  return messages
}

function decodeMessage(message: Buffer): NetlinkMessage {
  const type = message.readUInt16LE(4)
  const flags = message.readUInt16LE(6)
  const sequence = message.readUInt32LE(8)
  const payload = message.subarray(HEADER)
  switch (type) {
    case NLMSG_DONE:
      return {
        sequence,
        content: { kind: 'end', errno: payload.length < 4 ? 0 : Math.abs(payload.readInt32LE(0)) },
      }
    case NLMSG_ERROR: {
      // The request's own header follows the error number (NETLINK_CAP_ACK leaves out its payload).
      const attributes = (flags & NLM_ACK_TLVS) === 0 ? undefined : decodeAttributes(payload, 4 + HEADER)
      const reason = textOf(attributes?.get(NLMSGERR_ATTR_MSG))
      const errno = Math.abs(payload.readInt32LE(0))
      return { sequence, content: { kind: 'end', errno, ...(reason === undefined ? {} : { reason }) } }
    }
    default: {
      const interrupted = (flags & NLM_DUMP_INTERRUPTED) !== 0
      return { sequence, content: { kind: 'object', payload, interrupted } }
    }
  }
}

/** Nested attributes are attributes whose content is attributes. */
export function attribute(type: number, ...content: readonly Buffer[]): Buffer {
  const length = ATTRIBUTE_HEADER + content.reduce((sum, part) => sum + part.length, 0)
  const encoded = Buffer.alloc(align(length))
  encoded.writeUInt16LE(length, 0)
  encoded.writeUInt16LE(type, 2)
  let offset = ATTRIBUTE_HEADER
  for (const part of content) offset += part.copy(encoded, offset)
  return encoded
}

/** By type; of several of one type the last. @throws RangeError where one is cut off. */
export function decodeAttributes(encoded: Buffer, start = 0): ReadonlyMap<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  for (let offset = start; offset + ATTRIBUTE_HEADER <= encoded.length;) {
    const length = encoded.readUInt16LE(offset)
    if (length < ATTRIBUTE_HEADER || offset + length > encoded.length) {
      throw new RangeError('cut-off netlink attribute')
    }
    const type = encoded.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE
    attributes.set(type, encoded.subarray(offset + ATTRIBUTE_HEADER, offset + length))
    offset += align(length)
  }
  return attributes
}

export const text = (value: string): Buffer => Buffer.from(`${value}\0`)

export const uint8 = (value: number): Buffer => Buffer.from([value])

export function uint32(value: number): Buffer {
  const encoded = Buffer.alloc(4)
  encoded.writeUInt32LE(value)
  return encoded
}

/** In network byte order, as ports are. */
export function uint16BigEndian(value: number): Buffer {
  const encoded = Buffer.alloc(2)
  encoded.writeUInt16BE(value)
  return encoded
}

/** netfilter's numbers are in network byte order. */
export function int32BigEndian(value: number): Buffer {
  const encoded = Buffer.alloc(4)
  encoded.writeInt32BE(value)
  return encoded
}

/** Up to its NUL. */
export function textOf(encoded: Buffer | undefined): string | undefined {
  if (encoded === undefined) return undefined
  const end = encoded.indexOf(0)
  return encoded.toString('utf8', 0, end === -1 ? encoded.length : end)
}

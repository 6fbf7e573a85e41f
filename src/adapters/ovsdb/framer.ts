import { ProtocolError } from './errors'

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Cuts a byte stream into JSON objects. JSON-RPC 1.0 over a stream has no other separator than the objects' own end
 * (RFC 7047, 4), so every byte is looked at, each once however the stream was chopped.
 *
 * It works on bytes: a chunk may end within a UTF-8 character, but never does a byte of one look like ASCII. Text is
 * decoded for each frame as a whole.
 */
export class Framer {
  readonly #limit: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #parts: Buffer[] = []
  #length = 0
  #depth = 0
  #inString = false
  #escaped = false

  /** @param limit The most bytes that one frame may have. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Takes the next bytes; the frames that they complete, in order.
   *
   * @throws ProtocolError on bytes between objects, a frame over the limit, or text that is not UTF-8. The framer is of
   * no use afterwards: where the next frame begins is unknown.
   */
  *push(chunk: Buffer): Generator<string, void> {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (this.#escaped) {
        this.#escaped = false
      } else if (this.#inString) {
        if (byte === quote) this.#inString = false
        else if (byte === backslash) this.#escaped = true
      } else if (byte === openBrace) {
        if (this.#depth === 0) start = at
        this.#depth++
      } else if (this.#depth === 0) {
        if (!isWhitespace(byte)) throw new ProtocolError('the server sent bytes that are no JSON object')
      } else if (byte === quote) {
        this.#inString = true
      } else if (byte === closeBrace) {
        this.#depth--
        if (this.#depth === 0) {
          this.#take(chunk.subarray(start, at + 1))
          yield this.#finish()
        }
      }
    }
    if (this.#depth > 0) this.#take(chunk.subarray(start))
  }

  #take(part: Buffer): void {
    this.#length += part.length
    if (this.#length > this.#limit) {
      throw new ProtocolError(`the server sent a message of more than ${this.#limit} bytes`)
    }
    this.#parts.push(part)
  }

  #finish(): string {
    const frame = Buffer.concat(this.#parts, this.#length)
    this.#parts = []
    this.#length = 0
    try {
      return this.#decoder.decode(frame)
    } catch (cause) {
      throw new ProtocolError('the server sent text that is not UTF-8', { cause })
    }
  }
}

function isWhitespace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

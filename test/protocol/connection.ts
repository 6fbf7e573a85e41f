import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createConnection } from 'node:net'

export interface Reply {
  readonly status: number
  /** As it came. */
  readonly text: string
}

/** The parts of a request that differ between engines, or that only a broken one would send. */
export interface RequestParts {
  /** The request line's method. Default POST. */
  readonly verb?: string
  /** Without it, the header is left out; the text goes after `Host: ` as it is. */
  readonly host?: string | undefined
  readonly body?: string
}

/** What Docker's HTTP client writes, byte by byte, for one call of a plugin. */
export function requestText(path: string, { verb = 'POST', host, body = '' }: RequestParts): string {
  const lines = [
    `${verb} ${path} HTTP/1.1`,
    ...(host === undefined ? [] : [`Host: ${host}`]),
    'User-Agent: Go-http-client/1.1',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Accept: application/vnd.docker.plugins.v1.2+json',
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** One keep-alive connection to a plugin's socket; one request at a time. */
export class Connection {
  private received = ''
  private failure: Error | undefined
  private wake: () => void = () => undefined

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString()
      this.wake()
    })
    socket.on('error', (error) => (this.failure = error))
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.wake()
      })
  }

  /** Rejects with the code that the kernel gives (`ENOENT`, `ECONNREFUSED`). */
  static async open(socketPath: string): Promise<Connection> {
    const socket = createConnection(socketPath)
    await once(socket, 'connect')
    return new Connection(socket)
  }

  /** Whether a further request may be sent; as Go's client, also false when the last reply announced the end. */
  get usable(): boolean {
    return !this.ended && !/^connection: close/im.test(this.received.split('\r\n\r\n', 1)[0] ?? '')
  }

  write(text: string): void {
    this.socket.write(text)
  }

  /** Hangs up at once, whatever is under way. */
  close(): void {
    this.socket.destroy()
  }

  /** Rejects when the connection ends before the reply does. */
  async exchange(text: string): Promise<Reply> {
    this.received = ''
    this.write(text)
    for (;;) {
      const reply = parseReply(this.received)
      if (reply !== undefined) return reply
      if (this.ended) throw this.failure ?? new Error('EOF')
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  private get ended(): boolean {
    return this.socket.destroyed || this.socket.readableEnded
  }
}

function parseReply(received: string): Reply | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = received.slice(0, end)
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1])
  if (Number.isNaN(length)) throw new Error(`a reply without a length: ${head}`)
  const text = received.slice(end + 4)
  return Buffer.byteLength(text) < length ? undefined : { status: Number(head.split(' ')[1]), text }
}

import { setMaxListeners } from 'node:events'
import { getSystemErrorName } from 'node:util'
import type { KoffiFunc } from 'koffi'
import koffi from 'koffi'
import { neverAborts } from '../../clock'
import { Batcher } from '../batcher'
import type { NetlinkRequest } from './messages'
import { decodeMessages, encodeMessage, NLM } from './messages'

/** Families of netlink (linux/netlink.h). */
const PROTOCOLS = { route: 0, netfilter: 12 } as const

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0o2000000
const MSG_DONTWAIT_TRUNC = 0x40 | 0x20
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11

/** The kernel writes at most 32 KiB of a dump at a time. */
const RECEIVE_BYTES = 64 * 1024

/** What the kernel refused, by its name: `EEXIST`, `ENODEV`. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError'

  constructor(
    readonly code: string,
    reason: string | undefined,
  ) {
    super(reason === undefined ? code : `${reason} (${code})`)
  }
}

/** What came of one request: the objects that it asked for, or why the kernel refused it. */
export interface NetlinkAnswer {
  readonly objects: readonly Buffer[]
  readonly error?: NetlinkError
  /** What a dump lists changed meanwhile, so that it may lack some or have some twice. */
  readonly interrupted: boolean
}

export interface NetlinkSocket {
  /**
   * Sends requests in one datagram. The kernel carries them out in order, each whatever became of those before; a
   * netfilter batch all or nothing. Exchanges of one socket follow each other; those of the route family that wait at the
   * same moment share a datagram, for the way to the kernel and back takes longer than most of what it is asked.
   *
   * @returns one answer for each request that asked for one (`NLM.ACK`, `NLM.DUMP`), in order.
   * @throws whatever `signal.reason` is; what the kernel was asked for then may still happen, but before anything that is
   * asked for later.
   */
  exchange(requests: readonly NetlinkRequest[], signal: AbortSignal): Promise<readonly NetlinkAnswer[]>
  close(): void
}

/** Opens a socket in the network namespace that the calling thread is in. @throws NetlinkError */
export function openNetlinkSocket(family: keyof typeof PROTOCOLS): NetlinkSocket {
  const libc = loadLibc()
  const descriptor = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, PROTOCOLS[family])
  if (descriptor < 0) throw systemError('netlink socket', koffi.errno())
  // Kernels that have neither (before 4.12) only explain less.
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) {
    libc.setsockopt(descriptor, SOL_NETLINK, option, Buffer.from([1, 0, 0, 0]), 4)
  }
  return new SystemNetlinkSocket(libc, descriptor, family === 'route' ? requestsOf : () => REQUESTS_AT_ONCE)
}

interface Libc {
  socket(domain: number, type: number, protocol: number): number
  setsockopt(descriptor: number, level: number, option: number, value: Buffer, length: number): number
  /** In a thread of Node's pool: the kernel does what it is asked before it returns, and may wait for its locks. */
  send(descriptor: number, datagram: Buffer): Promise<number>
  receive(descriptor: number, buffer: Buffer): number
  close(descriptor: number): number
}

function loadLibc(): Libc {
  const library = koffi.load('libc.so.6')
  const socket = library.func('int socket(int, int, int)') as Libc['socket']
  const close = library.func('int close(int)') as Libc['close']
  const setsockopt = library.func(
    'int setsockopt(int, int, int, const uint8_t *, uint32_t)',
  ) as Libc['setsockopt']
  type Transfer = (descriptor: number, data: Buffer, length: number, flags: number) => number
  const send = library.func('long send(int, const uint8_t *, ulong, int)') as KoffiFunc<Transfer>
  const receive = library.func('long recv(int, _Out_ uint8_t *, ulong, int)') as Transfer
  return {
    socket,
    setsockopt,
    close,
    send: (descriptor, datagram) =>
      new Promise((resolve, reject) => {
        send.async(descriptor, datagram, datagram.length, 0, (error: Error | null, sent: number) => {
          if (error === null) resolve(sent)
          else reject(error)
        })
      }),
    receive: (descriptor, buffer) => receive(descriptor, buffer, buffer.length, MSG_DONTWAIT_TRUNC),
  }
}

interface Exchange {
  readonly requests: readonly NetlinkRequest[]
  readonly signal: AbortSignal
}

/** Answers that nobody takes meanwhile must fit the socket's buffer of 208 KiB; one about a link occupies about 4. */
const REQUESTS_AT_ONCE = 32

/** The kernel refuses a dump while another one of the same socket is under way: it leaves no room. */
const requestsOf = ({ requests }: Exchange): number =>
  requests.some(isDump) ? REQUESTS_AT_ONCE : requests.length

class SystemNetlinkSocket implements NetlinkSocket {
  private readonly buffer = Buffer.alloc(RECEIVE_BYTES)
  private readonly exchanges: Batcher<Exchange, readonly NetlinkAnswer[]>
  private sequence = 0
  private closed = false

  constructor(
    private readonly libc: Libc,
    private readonly descriptor: number,
    sizeOf: (exchange: Exchange) => number,
  ) {
    this.exchanges = new Batcher((batch) => this.converseFor(batch), { total: REQUESTS_AT_ONCE, sizeOf })
  }

  async exchange(
    requests: readonly NetlinkRequest[],
    signal: AbortSignal,
  ): Promise<readonly NetlinkAnswer[]> {
    signal.throwIfAborted()
    return unlessAborted(this.exchanges.run({ requests, signal }), signal)
  }

  close(): void {
    this.closed = true
    const ended = this.exchanges.run({ requests: [], signal: neverAborts() })
    void ended.catch(() => undefined).then(() => this.libc.close(this.descriptor))
  }

  private async converseFor(batch: readonly Exchange[]): Promise<readonly (readonly NetlinkAnswer[])[]> {
    // Nobody waits any more for one that was aborted.
    const wanted = batch.map(({ requests, signal }) => (signal.aborted ? [] : requests))
    const answers = (await this.converse(wanted.flat())).values()
    return wanted.map((requests) => requests.filter(isAnswered).flatMap(() => answers.next().value ?? []))
  }

  private async converse(requests: readonly NetlinkRequest[]): Promise<readonly NetlinkAnswer[]> {
    if (this.closed) throw new Error('the netlink socket is closed')
    if (requests.length === 0) return []
    const first = this.sequence + 1
    const datagram = Buffer.concat(requests.map((request) => encodeMessage(request, ++this.sequence)))
    const sent = await this.libc.send(this.descriptor, datagram)
    if (sent !== datagram.length) throw new Error('the kernel took no netlink message')
    const open = new Map<number, OpenAnswer>()
    requests.forEach((request, index) => {
      if (isAnswered(request)) open.set(first + index, { objects: [], interrupted: false })
    })
    const answers = [...open.values()]
    // All that has been asked for is done by now, and a dump goes on with every part that is taken.
    while (open.size > 0) this.receive(open, first)
    return answers
  }

  private receive(open: Map<number, OpenAnswer>, first: number): void {
    const length = this.libc.receive(this.descriptor, this.buffer)
    if (length < 0) throw systemError('netlink', koffi.errno())
    if (length > this.buffer.length) throw new Error(`netlink message of ${length} bytes`)
    // A copy: what has been read is kept.
    for (const { sequence, content } of decodeMessages(Buffer.from(this.buffer.subarray(0, length)))) {
      const answer = open.get(sequence)
      if (content.kind === 'object') {
        answer?.objects.push(content.payload)
        if (answer !== undefined) answer.interrupted ||= content.interrupted
        continue
      }
      // Refused is what began a netfilter batch, and with it the whole; else it belongs to an earlier exchange.
      const ended = answer === undefined && sequence >= first ? [...open.keys()] : [sequence]
      for (const each of ended) {
        const over = open.get(each)
        if (over !== undefined && content.errno !== 0) {
          over.error = new NetlinkError(nameOf(content.errno), content.reason)
        }
        open.delete(each)
      }
    }
  }
}

const isDump = ({ flags }: NetlinkRequest): boolean => (flags & NLM.DUMP) === NLM.DUMP

const isAnswered = ({ flags }: NetlinkRequest): boolean => (flags & (NLM.ACK | NLM.DUMP)) !== 0

interface OpenAnswer extends NetlinkAnswer {
  readonly objects: Buffer[]
  error?: NetlinkError
  interrupted: boolean
}

/** What the work becomes, or the signal's reason as soon as it aborts. */
export function unlessAborted<T>(turn: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error)
    }
    // One deadline may bound any number of exchanges at a time, which Node would take for a leak.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', onAbort, { once: true })
    turn.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort)
    })
  })
}

/** The first refusal among answers, thrown. @throws NetlinkError */
export function throwRefusal(answers: readonly NetlinkAnswer[]): void {
  for (const { error } of answers) if (error !== undefined) throw error
}

const nameOf = (errno: number): string => getSystemErrorName(-errno)

const systemError = (what: string, errno: number): NetlinkError => new NetlinkError(nameOf(errno), what)

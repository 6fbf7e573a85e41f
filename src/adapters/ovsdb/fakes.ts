import { duplexPair, type Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, OvsdbEvent } from './api'
import { createOvsdbClient } from './client'
import type { Endpoint } from './endpoint'
import { Framer } from './framer'
import { isArray, isObject } from './json'

/** Time that stands still until a test moves it. */
class FakeClock implements Clock {
  #now = 0
  readonly #timers = new Map<number, { readonly at: number; readonly task: () => void }>()
  #lastHandle = 0

  now(): number {
    return this.#now
  }

  setTimeout(task: () => void, ms: number): unknown {
    this.#timers.set(++this.#lastHandle, { at: this.#now + ms, task })
    return this.#lastHandle
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as number)
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Runs what falls due, in order, and lets everything settle before and after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settled()
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)
      if (next === undefined) break
      const [handle, { at, task }] = next
      this.#now = at
      this.#timers.delete(handle)
      task()
      await settled()
    }
    this.#now = until
  }
}

/** Lets streams and promises deliver what they hold. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn()
}

export interface Received {
  readonly method: string | undefined
  readonly params: readonly unknown[]
  readonly id: unknown
  readonly result: unknown
}

/** What a fake server says to a request; undefined: nothing. */
export type Answer = (request: Received, server: FakeServer) => object | undefined

/** A server in memory that says what a test tells it to, which no real one could be made to say. */
export class FakeServer {
  readonly received: Received[] = []
  readonly answers: Record<string, Answer>
  connections = 0
  closedConnections = 0
  refusing = false
  /** What a connection waits for before it opens. */
  gate: ((signal: AbortSignal) => Promise<void>) | undefined
  #stream: Duplex | undefined

  constructor(answers: Record<string, Answer> = {}) {
    this.answers = answers
  }

  readonly connect = async (_endpoint?: Endpoint, signal = never): Promise<Duplex> => {
    if (this.refusing) throw new Error('connection refused')
    await this.gate?.(signal)
    this.connections++
    const [ours, theirs] = duplexPair()
    const framer = new Framer(1 << 20)
    ours.on('data', (chunk: Buffer) => {
      for (const frame of framer.push(chunk)) this.#receive(JSON.parse(frame))
    })
    ours.on('error', () => undefined)
    theirs.on('close', () => {
      this.closedConnections++
    })
    this.#stream = ours
    return theirs
  }

  /** All in one chunk. */
  send(...messages: readonly object[]): void {
    this.#stream?.write(messages.map((message) => JSON.stringify(message)).join(''))
  }

  drop(): void {
    this.#stream?.end()
  }

  methods(): readonly (string | undefined)[] {
    return this.received.map(({ method }) => method)
  }

  #receive(message: unknown): void {
    if (!isObject(message)) throw new Error('not an object')
    const { method, params, id, result } = message
    const request: Received = {
      method: typeof method === 'string' ? method : undefined,
      params: isArray(params) ? params : [],
      id,
      result,
    }
    this.received.push(request)
    const answer = request.method === undefined ? undefined : this.answers[request.method]?.(request, this)
    if (answer !== undefined) this.send({ id, result: null, error: null, ...answer })
  }
}

/** What the fake server tells of its database. */
export const schema = {
  name: 'db',
  version: '1.0.0',
  tables: {
    T: {
      columns: { name: { type: 'string' }, ports: { type: { key: 'integer', min: 0, max: 'unlimited' } } },
    },
  },
}

/** A signal that never aborts. */
export const never = new AbortController().signal

export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error)
    })
  })
}

export function update2(change: object): object {
  return { method: 'update2', params: ['replica', { T: { u1: change } }], id: null }
}

/** A client of a fake server that holds one row. Nothing in it needs closing: time stands still. */
export function startFakes(answers: Record<string, Answer> = {}, random = 0) {
  const server = new FakeServer({
    get_schema: () => ({ result: schema }),
    monitor_cond: () => ({ result: { T: { u1: { initial: { name: 'a', ports: ['set', [1, 2]] } } } } }),
    echo: ({ params }) => ({ result: params }),
    ...answers,
  })
  const clock = new FakeClock()
  const events: OvsdbEvent[] = []
  const client = createOvsdbClient({
    endpoint: { kind: 'unix', path: '/db.sock' },
    database: 'db',
    monitor: { T: { columns: ['name', 'ports', 'newer'], indexes: ['name'] }, Newer: { columns: ['x'] } },
    clock,
    random: () => random,
    connect: server.connect,
    log: (event) => events.push(event),
  })
  return { server, clock, client, events }
}

/** The same, started and synchronised. */
export async function synchroniseFakes(answers: Record<string, Answer> = {}) {
  const fakes = startFakes(answers)
  fakes.client.start()
  await settled()
  if (!fakes.client.connected) throw new Error('the client did not synchronise')
  return fakes
}

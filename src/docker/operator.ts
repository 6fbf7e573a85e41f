import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { bounded } from './bounded'

const DIFFERENCES_PATH = '/differences'
const PEERS_PATH = '/peers'

/** What whoever runs the host may ask of the driver, on the same socket as Docker. */
export interface Operator {
  /** What the driver would put right now, one line each; changes nothing. */
  differences(signal: AbortSignal): Promise<readonly string[]>
  /**
   * Gives a network's tunnels other peers, for Docker changes no option of a network that is there.
   *
   * @param network its id, or the beginning of it.
   * @returns the peers that it has from now on.
   */
  setPeers(network: string, peers: readonly string[], signal: AbortSignal): Promise<readonly string[]>
}

const PeersBody = Type.Object({ network: Type.String({ minLength: 1 }), peers: Type.Array(Type.String()) })

/** Every route answers with lines of text, or with an error as every other method does. */
export function addOperatorRoutes(app: FastifyInstance, operator: Operator, deadlineMs: number): void {
  const answer = async (
    reply: FastifyReply,
    attempt: string,
    work: (signal: AbortSignal) => Promise<readonly string[]>,
  ): Promise<FastifyReply> => {
    const lines = await bounded(reply.raw, attempt, deadlineMs, work)
    return reply.type('text/plain; charset=utf-8').send(lines.map((line) => `${line}\n`).join(''))
  }
  app.get(DIFFERENCES_PATH, (_request, reply) =>
    answer(reply, 'compare host and records', (signal) => operator.differences(signal)),
  )
  app.post<{ Body: Type.Static<typeof PeersBody> }>(
    PEERS_PATH,
    { schema: { body: PeersBody } },
    (message, reply) =>
      answer(reply, 'change the peers', (signal) =>
        operator.setPeers(message.body.network, message.body.peers, signal),
      ),
  )
}

/**
 * Asks the driver behind `socketPath` for {@link Operator.differences}.
 *
 * @returns its text, empty where nothing differs. Rejects with what the driver said, or where none listens.
 */
export function askDifferences(socketPath: string): Promise<string> {
  return ask(socketPath, 'GET', DIFFERENCES_PATH)
}

/** Asks the driver behind `socketPath` for {@link Operator.setPeers}, as {@link askDifferences} does. */
export function askPeers(socketPath: string, network: string, peers: readonly string[]): Promise<string> {
  return ask(socketPath, 'POST', PEERS_PATH, JSON.stringify({ network, peers }))
}

async function ask(socketPath: string, method: string, path: string, body = ''): Promise<string> {
  const response = await new Promise<{ readonly ok: boolean; readonly body: string }>((resolve, reject) => {
    const asked = request({ socketPath, path, method }, (message) => {
      const ok = message.headers['content-type']?.startsWith('text/plain') === true
      text(message).then((received) => {
        resolve({ ok, body: received })
      }, reject)
    })
    asked.on('error', reject).end(body)
  })
  if (!response.ok) throw new Error(response.body)
  return response.body
}

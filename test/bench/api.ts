import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestHost } from '../e2e/host/host'

/** One call of the engine's API; rejects with what the engine said. */
export async function api(host: TestHost, method: string, path: string, body?: object): Promise<string> {
  const socketPath = `/proc/${host.pid}/root/run/docker.sock`
  const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const asked = request({ socketPath, method, path, headers }, (message) => {
      text(message).then((received) => {
        resolve({ status: message.statusCode ?? 0, body: received })
      }, reject)
    })
    asked.on('error', reject).end(body === undefined ? '' : JSON.stringify(body))
  })
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
  return answer.body
}

import type { NetworkDriver } from '../driver/api'
import { createLogger } from '../log'
import type { RecordingDriver } from './recording-driver'
import { recordingDriver } from './recording-driver'
import { createServer } from './server'

export interface TestServer {
  readonly driver: RecordingDriver
  /** Sends `body` as it is where it is text, else as JSON. */
  readonly post: (
    method: string,
    body?: unknown,
  ) => Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }>
}

/** For tests: serves a {@link RecordingDriver} without a socket, so that nothing needs closing. */
export function serve(answers?: Partial<NetworkDriver>): TestServer {
  const driver = recordingDriver(answers)
  const log = createLogger({ level: 'error', output: { write: () => undefined } })
  const { app } = createServer({
    driver,
    operator: {
      differences: () => Promise.resolve([]),
      setPeers: () => Promise.resolve([]),
    },
    log,
  })
  return {
    driver,
    async post(method, body = '') {
      const payload = typeof body === 'string' ? body : JSON.stringify(body)
      const headers = { 'content-length': Buffer.byteLength(payload).toString() }
      const response = await app.inject({ method: 'POST', url: `/${method}`, payload, headers })
      return { status: response.statusCode, body: response.json() }
    },
  }
}

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type { Enter } from '../fixtures/helper'

const PORT = '5001'
const SECONDS = '3'
/** How fast TCP begins does not count. */
const OMITTED_SECONDS = '1'

/**
 * What TCP brings from one namespace to an address in the other, in kbit/s, by iperf3: it leaves more of the processors to
 * the path than a program of Node's does.
 */
export async function tcpRate(from: Enter, to: Enter, address: string): Promise<number> {
  const serve = ['iperf3', '--server', '--one-off', '--forceflush', '--port', PORT]
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', ...to, ...serve], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(server, 'exit')
  try {
    await once(server.stdout, 'data')
    const [command, ...args] = from
    const ask = ['iperf3', '--client', address, '--port', PORT, '--time', SECONDS, '--omit', OMITTED_SECONDS]
    const { stdout } = await promisify(execFile)(command, [...args, ...ask, '--json'])
    const report = JSON.parse(stdout) as { readonly end: { readonly sum_received: Received } }
    return report.end.sum_received.bits_per_second / 1000
  } finally {
    server.kill('SIGKILL')
    await ended
  }
}

interface Received {
  readonly bits_per_second: number
}

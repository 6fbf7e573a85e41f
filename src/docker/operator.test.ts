import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { DriverError } from '../errors'
import { createLogger } from '../log'
import { askDifferences, askPeers } from './operator'
import { recordingDriver } from './recording-driver'
import type { Server } from './server'
import { createServer } from './server'

let dir: string
let socketPath: string
let server: Server | undefined

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'operator-'))
  socketPath = join(dir, 'ovs.sock')
})

afterEach(async () => {
  await server?.close()
  server = undefined
  await rm(dir, { recursive: true, force: true })
})

const setPeers = (network: string, peers: readonly string[]): Promise<readonly string[]> =>
  peers.length > 0 ? Promise.resolve(peers) : Promise.reject(DriverError.of('NETWORK_UNKNOWN', [network]))

async function serve(differences: () => Promise<readonly string[]>): Promise<void> {
  const log = createLogger({ level: 'error', output: { write: () => undefined } })
  server = createServer({ driver: recordingDriver(), operator: { differences, setPeers }, log })
  await server.listen(socketPath)
}

describe('differences', () => {
  it('gives one line each', async () => {
    await serve(() => Promise.resolve(['stray link a', 'stray link b']))
    expect(await askDifferences(socketPath)).toBe('stray link a\nstray link b\n')
  })

  it('gives nothing where nothing differs', async () => {
    await serve(() => Promise.resolve([]))
    expect(await askDifferences(socketPath)).toBe('')
  })

  it('rejects with the reason where the driver cannot tell', async () => {
    await serve(() => Promise.reject(DriverError.of('OVS_UNREACHABLE', ['unix:/x', 'it is gone'])))
    await expect(askDifferences(socketPath)).rejects.toThrow('Open vSwitch does not answer at unix:/x')
  })

  it('rejects where no driver listens', async () => {
    await expect(askDifferences(socketPath)).rejects.toThrow('ENOENT')
  })
})

describe('peers', () => {
  it('gives those that the network has from now on, or the reason why not', async () => {
    await serve(() => Promise.resolve([]))
    expect(await askPeers(socketPath, 'abc', ['192.0.2.1', '192.0.2.2'])).toBe('192.0.2.1\n192.0.2.2\n')
    await expect(askPeers(socketPath, 'abc', [])).rejects.toThrow('network abc is not known')
    await expect(askPeers(socketPath, '', ['192.0.2.1'])).rejects.toThrow('bad request')
  })
})

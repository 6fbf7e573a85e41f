import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import {
  ConnectionLostError,
  NotConnectedError,
  op,
  type OvsdbEvent,
  type TableChange,
} from '../../../src/adapters/ovsdb'
import { startOvs, type Ovs } from '../../fixtures/ovs'
import { realClock, soon, startClient, type TestClient } from './clients'

jest.setTimeout(30_000)

const run = promisify(execFile)

let ovs: Ovs
const clients: TestClient[] = []

beforeEach(async () => {
  ovs = await startOvs({ switchd: false })
})

afterEach(async () => {
  for (const { client } of clients.splice(0)) await client.close()
  await ovs.stop()
})

function start(...args: Partial<Parameters<typeof startClient>>): TestClient {
  const [endpoint = { kind: 'unix' as const, path: ovs.socketPath }, options] = args
  const started = startClient(endpoint, options)
  clients.push(started)
  return started
}

async function disconnected({ client }: TestClient): Promise<Error> {
  return new Promise((resolve) => {
    const end = client.onDisconnected((reason) => {
      end()
      resolve(reason)
    })
  })
}

async function until<T>(ask: () => T | undefined | false): Promise<T> {
  const deadline = soon()
  for (;;) {
    const answer = ask()
    if (answer !== undefined && answer !== false) return answer
    deadline.throwIfAborted()
    await delay(5)
  }
}

function lastSynchronised({ events }: TestClient): Promise<OvsdbEvent> {
  // The client tells its log after it has told those who wait.
  return until(() => {
    const last = events.at(-1)
    return last?.event === 'synchronised' && last
  })
}

describe('a server that goes away', () => {
  it('is connected to again, with the same rows told as no change', async () => {
    await ovs.vsctl('--no-wait', 'add-br', 'br0')
    const started = start()
    await started.client.waitSynchronised(soon())
    const changes: (readonly TableChange[])[] = []
    started.client.replica.onChange((batch) => changes.push(batch))
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const lost = disconnected(started)
      await ovs.stopServer(signal)
      await lost
      await expect(started.client.transact([op.comment('x')], soon())).rejects.toBeInstanceOf(
        NotConnectedError,
      )
      await ovs.startServer()
      await started.client.waitSynchronised(soon())
    }
    expect(changes).toEqual([])
    expect(started.client.replica.find('Bridge', 'name', 'br0')).toHaveLength(1)
    await started.client.transact([op.comment('x')], soon())
  })

  it('leaves a transaction that it took with an unknown outcome', async () => {
    const started = start()
    await started.client.waitSynchronised(soon())
    const never = op.wait('Open_vSwitch', { where: [], columns: ['_uuid'], until: '==', rows: [] })
    const transaction = started.client.transact([never], soon())
    const outcome = expect(transaction).rejects.toBeInstanceOf(ConnectionLostError)
    await ovs.stopServer()
    await outcome
  })

  it('is waited for where it is not there yet', async () => {
    await ovs.stopServer()
    const { client, events } = start()
    const waiting = client.waitSynchronised(soon())
    await until(() => events.some(({ event }) => event === 'disconnected'))
    await ovs.startServer()
    await waiting
    expect(client.connected).toBe(true)
  })

  it('comes back with another database, whose differences are told', async () => {
    await ovs.vsctl('--no-wait', 'add-br', 'old')
    const started = start()
    await started.client.waitSynchronised(soon())
    const batches: (readonly TableChange[])[] = []
    started.client.replica.onChange((batch) => batches.push(batch))
    const lost = disconnected(started)
    await ovs.stopServer()
    await lost
    await ovs.replaceDatabase()
    await ovs.startServer()
    await started.client.waitSynchronised(soon())
    expect(batches).toHaveLength(1)
    expect(
      batches[0]?.map(({ table, before, after }) => [table, before?.['name'], after?.['name']]),
    ).toContainEqual(['Bridge', 'old', undefined])
    expect(started.client.replica.rows('Bridge').size).toBe(0)
  })

  it('is given up when it is stopped in its tracks, and found again when it goes on', async () => {
    const started = start(undefined, { clock: realClock(10) })
    await started.client.waitSynchronised(soon())
    const pid = ovs.serverPid
    if (pid === undefined) throw new Error('no server')
    const lost = disconnected(started)
    process.kill(pid, 'SIGSTOP')
    expect((await lost).message).toMatch(/silent for 10 s/)
    process.kill(pid, 'SIGCONT')
    await started.client.waitSynchronised(soon())
  })

  it('is left alone while it is idle but answers', async () => {
    const { client, events } = start(undefined, { clock: realClock(20) })
    await client.waitSynchronised(soon())
    await delay(1500)
    expect(events.filter(({ event }) => event === 'disconnected')).toEqual([])
  })
})

it('follows an upgrade of the schema under it', async () => {
  const newSchema = '/usr/share/openvswitch/vswitch.ovsschema'
  const schema = JSON.parse(await readFile(newSchema, 'utf8')) as {
    version: string
    cksum?: string
    tables: Record<string, { columns: Record<string, unknown> }>
  }
  delete schema.tables['CT_Zone']
  delete schema.tables['Datapath']?.columns['ct_zones']
  delete schema.tables['Bridge']?.columns['rstp_enable']
  delete schema.cksum
  schema.version = '7.0.0'
  const oldSchema = join(ovs.dir, 'old.ovsschema')
  await writeFile(oldSchema, JSON.stringify(schema))
  await ovs.stopServer()
  await ovs.replaceDatabase(oldSchema)
  await ovs.startServer()

  const started = start()
  const { client } = started
  await client.waitSynchronised(soon())
  expect(await lastSynchronised(started)).toMatchObject({
    schemaVersion: '7.0.0',
    absentColumns: ['Bridge.rstp_enable', 'CT_Zone.timeout_policy'],
  })
  await client.transact([op.insert('Open_vSwitch', {})], soon())

  const lost = disconnected(started)
  await run('ovsdb-client', ['convert', `unix:${ovs.socketPath}`, newSchema])
  await lost
  await client.waitSynchronised(soon())
  expect(await lastSynchronised(started)).toMatchObject({ absentColumns: [] })
  await ovs.vsctl('--no-wait', 'add-br', 'br0')
  const [bridge] = await client.replica.waitUntil((replica) => {
    const found = replica.find('Bridge', 'name', 'br0')
    return found.length > 0 && found
  }, soon())
  expect(bridge?.row).toMatchObject({ rstp_enable: false })
})

it('keeps asking for a database that the server does not have', async () => {
  const { events } = start(undefined, { database: 'Nope' })
  await until(() => events.filter(({ event }) => event === 'disconnected').length > 1)
  expect(events).toContainEqual(
    expect.objectContaining({
      event: 'disconnected',
      reason: expect.objectContaining({ code: 'request', serverError: 'unknown database' }) as unknown,
    }),
  )
})

it('speaks TCP', async () => {
  await ovs.appctl('ovsdb-server', 'ovsdb-server/add-remote', 'ptcp:0:127.0.0.1')
  const port = /0:127\.0\.0\.1: listening on port (\d+)/.exec(
    await readFile(join(ovs.dir, 'ovsdb-server.log'), 'utf8'),
  )
  const { client } = start({ kind: 'tcp', host: '127.0.0.1', port: Number(port?.[1]) })
  await client.waitSynchronised(soon())
})

it('speaks TLS to whoever its authority signed, under any name, and to nobody else', async () => {
  const files = { key: join(ovs.dir, 'key.pem'), cert: join(ovs.dir, 'cert.pem') }
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=switch id:1', '-keyout', files.key, '-out', files.cert],
  ])
  const [key, cert] = await Promise.all([readFile(files.key, 'utf8'), readFile(files.cert, 'utf8')])
  const proxy = createServer({ key, cert, ca: cert, requestCert: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(connect(ovs.socketPath)).pipe(socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  try {
    const trusting = start({ kind: 'ssl', host: '127.0.0.1', port, ca: cert, cert, key })
    await trusting.client.waitSynchronised(soon())
    const stranger = start({ kind: 'ssl', host: '127.0.0.1', port, cert, key })
    const refusal = await until(() => stranger.events.find(({ event }) => event === 'disconnected'))
    expect(refusal).toMatchObject({ reason: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
    const [told] = trusting.events
    expect(told).toEqual({ event: 'connecting', endpoint: `ssl:127.0.0.1:${port}`, attempt: 1 })
  } finally {
    for (const { client } of clients) await client.close()
    await new Promise((resolve) => proxy.close(resolve))
  }
})

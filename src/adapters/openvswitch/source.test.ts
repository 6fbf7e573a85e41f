import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { SourceOptions } from './source'
import { resolveSource } from './source'

let directory: string
let mount: string
let servers: Server[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'source-'))
  mount = join(directory, 'mount')
  servers = []
  await mkdir(mount)
  // As /sys/class/net looks from inside a plugin: the link's target is not mounted.
  await symlink('../../devices/virtual/net/lo', join(mount, 'lo'))
})

afterEach(async () => {
  for (const server of servers) server.close()
  await rm(directory, { recursive: true })
})

async function listen(path?: string): Promise<string> {
  const server = createServer((socket) => socket.destroy())
  servers.push(server)
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'string' ? `unix:${address}` : `tcp:127.0.0.1:${address?.port ?? 0}`
}

/** A loopback port on which nobody listens. */
const SILENT = 'tcp:127.0.0.1:1'

function resolve(more: Partial<SourceOptions> = {}): ReturnType<typeof resolveSource> {
  return resolveSource({
    setting: { kind: 'auto' },
    hostDirectory: mount,
    choiceFile: join(directory, 'switch'),
    hostTcp: SILENT,
    sleep: () => Promise.reject(new Error('waits')),
    onWaiting: () => undefined,
    ...more,
  })
}

async function setMount(...parts: readonly string[]): Promise<void> {
  await rm(mount, { recursive: true })
  await mkdir(join(mount, ...parts), { recursive: true })
}

describe('the switch that auto chooses', () => {
  it('is the embedded one where the mount has its default and nobody listens', async () => {
    expect(await resolve()).toEqual({ kind: 'embedded' })
  })

  it('is the one that listens on the loopback port', async () => {
    const hostTcp = await listen()
    expect(await resolve({ hostTcp })).toMatchObject({ kind: 'host', name: hostTcp })
  })

  it('stays the first choice, whatever comes up or goes away later', async () => {
    await resolve()
    expect(await resolve({ hostTcp: await listen() })).toEqual({ kind: 'embedded' })
    await rm(join(directory, 'switch'))
    const hostTcp = await listen()
    await resolve({ hostTcp })
    expect(await resolve()).toMatchObject({ kind: 'host', name: hostTcp })
  })

  it.each([
    ['/run', ['openvswitch']],
    ['/run/openvswitch', []],
  ])('is the one in the mount where that is set to %s, also after embedded was chosen', async (_, parts) => {
    await resolve()
    await setMount(...parts)
    const socket = join(mount, ...parts, 'db.sock')
    await listen(socket)
    expect(await resolve()).toMatchObject({ kind: 'host', name: `unix:${socket}` })
  })

  it('is waited for where the mount is set and its socket is late', async () => {
    await setMount('openvswitch')
    const socket = join(mount, 'openvswitch', 'db.sock')
    const waited: string[] = []
    const found = await resolve({
      onWaiting: (what) => waited.push(what),
      sleep: async () => {
        await listen(socket)
      },
    })
    expect(found).toMatchObject({ kind: 'host', name: `unix:${socket}` })
    expect(waited).toEqual([`${socket} or ${join(mount, 'db.sock')}`])
  })
})

it('takes a setting other than auto as it is', async () => {
  await writeFile(join(directory, 'switch'), 'embedded\n')
  const setting = {
    kind: 'host',
    name: 'tcp:10.0.0.1:6640',
    endpoint: { kind: 'tcp', host: '10.0.0.1', port: 6640 },
  } as const
  expect(await resolve({ setting })).toBe(setting)
})

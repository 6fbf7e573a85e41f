import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createLogger } from '../log'
import { startEmbeddedSwitch } from './embedded-switch'

let directory: string
/** Of each command, with the folder left out. */
let commands: string[]
let isServerUp: boolean
let isHeld: boolean
/** Of the kernel's datapath. */
let ports: readonly string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'embedded-'))
  await mkdir(join(directory, 'links'))
  await writeFile(join(directory, 'sockets'), unixSockets('/run/docker.sock', '/run/systemd/notify'))
  commands = []
  isServerUp = false
  isHeld = true
  ports = []
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

function start(): Promise<string> {
  return startEmbeddedSwitch(
    {
      run: async (command, args) => {
        commands.push([command, ...args].join(' ').replaceAll(`${directory}/`, ''))
        if (command === 'ovsdb-tool' && args[0] === 'create') await writeFile(String(args[1]), '')
        if (command === 'ip' && isHeld) throw new Error('ioctl(TUNSETIFF): Device or resource busy')
        const stdout =
          command === 's6-svstat' ? String(isServerUp) : args[0] === 'show' ? datapathWith(...ports) : ''
        return { stdout: `${stdout}\n`, stderr: '' }
      },
      log: createLogger({ level: 'error', output: { write: () => undefined } }),
      stateDirectory: directory,
      runDirectory: join(directory, 'run'),
      schema: 'schema',
      serviceDirectory: join(directory, 'service'),
      linksDirectory: join(directory, 'links'),
      socketsFile: join(directory, 'sockets'),
    },
    new AbortController().signal,
  )
}

/** As the kernel lists them: proc_pid_net(5) has no page for it, net/unix/af_unix.c (unix_seq_show) has. */
function unixSockets(...paths: readonly string[]): string {
  const lines = paths.map((path) => `0000000000000000: 00000002 00000000 00010000 0001 01 17034 ${path}`)
  return ['Num       RefCount Protocol Flags    Type St Inode Path', ...lines, ''].join('\n')
}

/** As ovs-dpctl show prints it. */
function datapathWith(...names: readonly string[]): string {
  const lines = ['ovs-system', ...names].map((name, index) => `  port ${index}: ${name} (internal)`)
  return ['ovs-system:', '  lookups: hit:10 missed:5 lost:0', '  flows: 0', ...lines].join('\n')
}

const bringUpServer = 's6-svc -u service/ovsdb-server'
const configure =
  'ovs-vsctl --db=unix:run/db.sock --retry --no-wait init -- set Open_vSwitch . other_config:userspace-tso-enable=true'
const bringUpSwitch = 's6-svc -u service/ovs-vswitchd'

describe('starting the embedded switch', () => {
  it('makes the database, and configures the server before ovs-vswitchd reads it', async () => {
    expect(await start()).toBe(join(directory, 'run', 'db.sock'))
    const order = ['ovsdb-tool create ovs/conf.db.new schema', bringUpServer, configure, bringUpSwitch]
    expect(commands.filter((command) => order.includes(command))).toEqual(order)
  })

  it('leaves the database alone while its server runs, and goes on from there', async () => {
    isServerUp = true
    await start()
    expect(commands).toEqual(['s6-svstat -o up service/ovsdb-server', configure, bringUpSwitch])
  })

  it.each([
    ['ovs-system', '/var/run/openvswitch/ovs-vswitchd.1234.ctl'],
    ['ovs-system', '/var/run/openvswitch/db.sock'],
    ['ovs-netdev', '/var/run/openvswitch/ovs-vswitchd.1234.ctl'],
  ])('refuses beside the datapath %s of another switch, which listens on %s', async (link, socket) => {
    await writeFile(join(directory, 'links', link), '')
    await writeFile(join(directory, 'sockets'), unixSockets('/run/docker.sock', socket, '/run/other.sock'))
    await expect(start()).rejects.toThrow(`the datapath ${link} of another Open vSwitch is on this host`)
    expect(commands).not.toContain('ovs-dpctl del-dp ovs-system')
    expect(commands).not.toContain(bringUpServer)
  })

  it('refuses beside the datapath of a host’s Open vSwitch that is stopped', async () => {
    ports = ['br-ex', 'eth1', 'vnet3']
    await writeFile(join(directory, 'links', 'ovs-system'), '')
    await expect(start()).rejects.toThrow('the datapath ovs-system of another Open vSwitch is on this host')
    expect(commands).not.toContain('ovs-dpctl del-dp ovs-system')
  })

  it.each([
    [['ovsbr-1a2b3', 'ovs-veth0-9f8e7']],
    [['shared', 'eth2', 'ovs-veth0-9f8e7']],
    [['shared', 'ovsgw-1a2b3']],
    [[]],
  ])('removes the datapath of the kernel that an earlier plugin has left: %j', async (left) => {
    ports = left
    await writeFile(join(directory, 'links', 'ovs-system'), '')
    await start()
    const order = ['ovs-dpctl del-dp ovs-system', bringUpServer, bringUpSwitch]
    expect(commands.filter((command) => order.includes(command))).toEqual(order)
  })

  it('removes the device of a userspace datapath that no process holds any more', async () => {
    await writeFile(join(directory, 'links', 'ovs-netdev'), '')
    isHeld = false
    await start()
    expect(commands).toContain('ip tuntap del dev ovs-netdev mode tap')
    expect(commands).toContain(bringUpSwitch)
  })

  it.each(['ovs-system', 'ovs-netdev'])(
    'takes the datapath %s for its own once it has a database',
    async (link) => {
      await start()
      await writeFile(join(directory, 'links', link), '')
      commands = []
      await start()
      expect(commands).toContain(bringUpSwitch)
    },
  )
})

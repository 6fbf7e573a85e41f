import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Conntrack } from '../../src/adapters/nat/conntrack'
import { IngressGuard } from '../../src/adapters/nat/ingress-guard'
import { IptablesFirewall } from '../../src/adapters/nat/iptables-firewall'
import { NftablesFirewall } from '../../src/adapters/nat/nftables-firewall'
import { GatewayLinks } from '../../src/adapters/netlink/host-network'
import { Underlay } from '../../src/adapters/netlink/underlay'
import { LinkTable } from '../../src/adapters/netlink/link-table'
import { attribute } from '../../src/adapters/netlink/messages'
import type { NetlinkSocket } from '../../src/adapters/netlink/socket'
import { VethLinks } from '../../src/adapters/netlink/veth-links'
import type { Run } from '../../src/adapters/process/run'
import { deadline } from '../../src/clock'
import type { TestServer } from '../../src/docker/test-server'
import { serve } from '../../src/docker/test-server'
import type { CreateEndpointRequest, CreateNetworkRequest } from '../../src/driver/api'
import { desiredEndpoint, desiredFilter, desiredGateway } from '../../src/driver/desired'
import { planNetwork } from '../../src/driver/network'
import { parseNetworkOptions } from '../../src/driver/options'
import type { EndpointRecord, NetworkRecord } from '../../src/driver/records'
import { vxlanDevice } from '../../src/driver/tunnel'
import { uplinkLinks } from '../../src/driver/uplinks'
import { DriverError } from '../../src/errors'
import { networkBody } from '../protocol/engine'
import { fuzzRuns } from './mutations'

const never = new AbortController().signal

/** Texts that would do harm on a command line, in a shell, or in the input of ip, nft and iptables-restore. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '-x',
    '--help',
    'a b',
    'a\nlink del dev eth0',
    '$(id)',
    '`id`',
    'a;b',
    'a"b',
    "a'b",
    'a#b',
    'x\0y',
    '../x',
  ),
  fc.constantFrom(
    '10.1.0.0/24',
    'fd00::/64',
    '10.1.0.1/24',
    '02:42:0a:01:00:02',
    'br0',
    '7',
    'nat',
    'routed',
    'true',
  ),
)

const optionKeys = [
  'ovs.bridge.mode',
  'ovs.bridge.name',
  'ovs.bridge.mtu',
  'ovs.bridge.vlan',
  'ovs.bridge.userspace',
  'ovs.bridge.gateway',
  'ovs.bridge.icc',
]

/** A command line as it was run, with what it was given to read. */
interface Command {
  readonly line: readonly string[]
  readonly input: string
}

/** The requests that reach the driver, had Docker asked for these; `undefined` where the edge refuses one. */
async function requestsFrom(
  { post, driver }: TestServer,
  texts: readonly string[],
  options: Readonly<Record<string, string>>,
): Promise<readonly [CreateNetworkRequest, CreateEndpointRequest] | undefined> {
  const [NetworkID = '', EndpointID = '', Pool = '', Gateway = '', Address = '', MacAddress = ''] = texts
  const before = driver.calls.length
  await post(
    'NetworkDriver.CreateNetwork',
    networkBody(NetworkID, { ipv4: [{ Pool, Gateway }], generic: options }),
  )
  await post('NetworkDriver.CreateEndpoint', {
    NetworkID,
    EndpointID,
    Interface: { Address, AddressIPv6: '', MacAddress },
    Options: {},
  })
  const [network, endpoint] = driver.calls.slice(before).map(([, request]) => request)
  if (network === undefined || endpoint === undefined) return undefined
  return [network as CreateNetworkRequest, endpoint as CreateEndpointRequest]
}

/** A kernel that has nothing and agrees to everything. */
const willingSocket: NetlinkSocket = {
  exchange: (requests) => Promise.resolve(requests.map(() => ({ objects: [], interrupted: false }))),
  close: () => undefined,
}

/** Every link is there, and of that owner. */
const socketThatKnows = (owner: string): NetlinkSocket => {
  const link = Buffer.concat([Buffer.alloc(16), attribute(20, Buffer.from(owner))])
  return {
    exchange: (requests) => Promise.resolve(requests.map(() => ({ objects: [link], interrupted: false }))),
    close: () => undefined,
  }
}

/** All the commands that the host would see for one network with one endpoint. */
async function commandsOf(
  edge: TestServer,
  texts: readonly string[],
  options: Readonly<Record<string, string>>,
): Promise<readonly Command[]> {
  const requests = await requestsFrom(edge, texts, options)
  if (requests === undefined) return []
  const [request, asked] = requests
  const { mode } = planNetwork(request)
  const bridge = options['ovs.bridge.name'] ?? 'ovsbr-aaaaa'
  const network: NetworkRecord = {
    ...request,
    id: request.networkId,
    bridge,
    foreignBridge: false,
    ...(mode === 'flat' ? {} : { gatewayLink: bridge }),
  }
  const endpoint: EndpointRecord = {
    ...asked,
    id: asked.endpointId,
    macAddress: asked.macAddress ?? '02:42:0a:01:00:02',
    hostLink: 'ovs-veth0-aaaaa',
    containerLink: 'ethcaaaaa',
    joined: false,
    published: [{ protocol: 'tcp', hostPort: 80, containerPort: 80 }],
    unpublishable: [],
  }
  const commands: Command[] = []
  const run: Run = (command, args, { input = '' }) => {
    commands.push({ line: [command, ...args], input })
    return Promise.resolve({ stdout: command === 'ip' ? '[]' : '', stderr: '' })
  }
  const observed = { name: bridge, owned: true, datapath: 'netdev', mtu: 1500 } as const
  const { veth } = desiredEndpoint(endpoint, network, observed, false)
  const [socket, guard] = [willingSocket, new IngressGuard(willingSocket, 'dovesnap')]
  await new VethLinks(new LinkTable(socket, socket), guard, run, deadline).ensureVethPair(veth, never)
  const sysctls = {
    read: () => Promise.resolve('1'),
    write: () => Promise.resolve(),
    links: () => Promise.resolve([]),
  }
  const link = desiredGateway(network, 1500)
  if (link !== undefined) await new GatewayLinks(run, sysctls).ensureGateway(link, never)
  const filter = desiredFilter(network, [endpoint])
  if (filter !== undefined) {
    await new IptablesFirewall(run, new Conntrack(run), () => Promise.resolve(false)).ensureNetwork(
      filter,
      never,
    )
    await new NftablesFirewall(run, new Conntrack(run)).ensureNetwork(filter, never)
  }
  return commands
}

/** With every name, number and address made alike: what is left is the form, which no text from outside may change. */
function form({ line, input }: Command): string {
  const alike = (text: string): string =>
    text.replaceAll(/[A-Za-z0-9][A-Za-z0-9_.:/-]*/g, 'w').replaceAll(/\bw(-w)+\b/g, 'w')
  return `${line.map(alike).join(' ')}\n${alike(input)}`
}

describe('no text that Docker passes on', () => {
  it('reaches a command line as an option, a second command or a second line', async () => {
    const edge = serve()
    const harmless = [
      'n'.repeat(64),
      'e'.repeat(64),
      '10.1.0.0/24',
      '10.1.0.1/24',
      '10.1.0.2/24',
      '02:42:0a:01:00:02',
    ]
    const forms = new Map<string, ReadonlySet<string>>()
    for (const mode of ['flat', 'nat', 'routed']) {
      const options = { 'ovs.bridge.mode': mode }
      forms.set(mode, new Set((await commandsOf(edge, harmless, options)).map(form)))
    }
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(
          ...harmless.map((text) =>
            fc.oneof({ weight: 5, arbitrary: fc.constant(text) }, { weight: 1, arbitrary: hostile }),
          ),
        ),
        fc.dictionary(fc.constantFrom(...optionKeys), hostile, { maxKeys: 2 }),
        async (texts, options) => {
          let commands: readonly Command[]
          try {
            commands = await commandsOf(edge, texts, options)
          } catch (error) {
            expect(error).toBeInstanceOf(DriverError)
            return
          }
          if (commands.length > 0) accepted += 1
          for (const { line } of commands) {
            for (const word of line) expect(word).not.toMatch(/[\0\n\r]/)
          }
          const known = [...forms.values()].flatMap((set) => [...set])
          for (const command of commands) {
            for (const text of [command.input, ...command.line]) {
              expect(text).not.toMatch(/\$\(|`|\.\.\/|(^|\s)--help|del dev eth0/)
            }
            // IPv6 and icc=false add rules of the same making; the number of ip's lines tells an injection.
            if (command.line[0] === 'ip') expect(known).toContain(form(command))
          }
        },
      ),
      { numRuns: fuzzRuns * 5 },
    )
    // Or it would prove nothing.
    expect(accepted).toBeGreaterThan(fuzzRuns / 10)
  }, 600_000)

  it('nor do the names of NICs and the addresses of tunnels', async () => {
    const base = { 'ovs.bridge.tunnel': 'vxlan', 'ovs.bridge.vni': '7', 'ovs.bridge.peers': '192.0.2.2' }
    const keys = ['bind_interface', 'add_ports', 'peers', 'local_ip'].map((name) => `ovs.bridge.${name}`)
    const plausible = fc.constantFrom(
      'eth2',
      'bond:eth2+eth3',
      'eth2/1/2',
      '192.0.2.3',
      '2001:db8::1',
      '192.0.2.4',
    )
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), fc.oneof(hostile, plausible), async (key, text) => {
        const options = { ...base, [key]: text }
        try {
          parseNetworkOptions(options)
        } catch (error) {
          expect(error).toBeInstanceOf(DriverError)
          return
        }
        accepted += 1
        for (const { line, input } of await underlayCommands(options)) {
          for (const word of line) expect(word).toMatch(/^(-json|-batch|-|[a-z0-9][\w.:-]*)$/i)
          for (const command of input.split('\n').slice(0, -1)) expect(command).toMatch(/^fdb( [\w.:-]+)+$/)
        }
      }),
      { numRuns: fuzzRuns },
    )
    expect(accepted).toBeGreaterThan(0)
  })
})

/** What is run for the uplinks and the tunnel device of a network with these options. */
async function underlayCommands(options: Readonly<Record<string, string>>): Promise<readonly Command[]> {
  const network: NetworkRecord = {
    id: 'n'.repeat(64),
    bridge: 'br0',
    foreignBridge: false,
    options,
    internal: false,
    ipv4: [],
    ipv6: [],
  }
  const device = vxlanDevice(network)
  const commands: Command[] = []
  const run: Run = (command, args, { input = '' }) => {
    commands.push({ line: [command, ...args], input })
    return Promise.resolve({ stdout: '[]', stderr: '' })
  }
  const guard = new IngressGuard(willingSocket, 'dovesnap')
  const links = new LinkTable(socketThatKnows(device?.owner ?? ''), willingSocket)
  const underlay = new Underlay(links, guard, run)
  for (const name of uplinkLinks(network))
    await underlay.ensureUplink({ name, bypassHostStack: false }, never)
  if (device !== undefined) await underlay.ensureVxlan(device, never)
  return commands.filter(({ line }) => line[0] !== 'nft')
}

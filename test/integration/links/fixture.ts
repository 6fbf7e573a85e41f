import { deadline } from '../../../src/clock'
import { IngressGuard } from '../../../src/adapters/nat/ingress-guard'
import { LinkTable } from '../../../src/adapters/netlink/link-table'
import type { NetlinkSocket } from '../../../src/adapters/netlink/socket'
import { VethLinks } from '../../../src/adapters/netlink/veth-links'
import type { Run } from '../../../src/adapters/process/run'
import type { VethPair } from '../../../src/driver/links'
import type { Netns } from '../../fixtures/netns'

export const never = new AbortController().signal

export const pair: VethPair = {
  hostLink: 'ovs-veth0-0a1b2',
  containerLink: 'ethc0a1b2',
  mtu: 1400,
  macAddress: '02:42:0a:00:00:05',
  owner: 'dovesnap:0a1b2c3d',
  transmitOffload: true,
  bypassHostStack: false,
}

/** A link as the kernel shows it, without passing through the code under test. */
export interface Shown {
  readonly ifname: string
  readonly mtu: number
  readonly address: string
  readonly flags: readonly string[]
  readonly ifalias?: string
  readonly group: string
  readonly inet6_addr_gen_mode?: string
}

/** What comes before a command, or between the driver and the kernel; what it throws is what the driver gets to see. */
export interface Interceptions {
  readonly run?: (command: string, args: readonly string[]) => Promise<void> | void
  readonly netfilter?: Interception
  readonly route?: Interception
  readonly deletions?: Interception
}

/** @param forward carries out what was asked for, and may be called or not. */
type Interception = (forward: () => Promise<unknown>, types: readonly number[]) => Promise<void> | void

/** As the driver has them, in that namespace. */
export function linksIn({ run, netlink }: Netns, before: Interceptions = {}): VethLinks {
  const socket = (kind: 'netfilter' | 'route' | 'deletions'): NetlinkSocket =>
    interceptedSocket(netlink[kind], before[kind])
  return new VethLinks(
    new LinkTable(socket('route'), socket('deletions')),
    new IngressGuard(socket('netfilter'), 'dovesnap'),
    before.run === undefined ? run : intercepted(run, before.run),
    deadline,
  )
}

function interceptedSocket(socket: NetlinkSocket, before: Interception | undefined): NetlinkSocket {
  if (before === undefined) return socket
  return {
    close: () => {
      socket.close()
    },
    exchange: async (requests, signal) => {
      const forward = (): ReturnType<NetlinkSocket['exchange']> => socket.exchange(requests, never)
      let done: ReturnType<NetlinkSocket['exchange']> | undefined
      await before(
        () => (done = forward()),
        requests.map(({ type }) => type),
      )
      const answers = await (done ?? forward())
      signal.throwIfAborted()
      return answers
    },
  }
}

export async function show(netns: Netns, link: string): Promise<Shown> {
  const { stdout } = await netns.exec('ip', '-json', '-details', 'link', 'show', 'dev', link)
  const [shown] = JSON.parse(stdout) as [Shown]
  return shown
}

export async function names(netns: Netns): Promise<readonly string[]> {
  const { stdout } = await netns.exec('ip', '-json', 'link', 'show')
  return (JSON.parse(stdout) as Shown[]).map(({ ifname }) => ifname).sort()
}

export const ruleset = async (netns: Netns): Promise<string> =>
  (await netns.exec('nft', 'list', 'ruleset')).stdout

const intercepted =
  (run: Run, before: (command: string, args: readonly string[]) => Promise<void> | void): Run =>
  async (command, args, options) => {
    await before(command, args)
    return run(command, args, options)
  }

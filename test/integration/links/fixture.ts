import { deadline } from '../../../src/clock'
import { IngressGuard } from '../../../src/adapters/nat/ingress-guard'
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
  readonly inet6_addr_gen_mode?: string
}

export const linksOver = (run: Run): VethLinks =>
  new VethLinks(run, new IngressGuard(run, 'dovesnap'), deadline)

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

/** Runs as the namespace's own does, but lets a test come before each command. */
export const intercepted =
  (run: Run, before: (command: string, args: readonly string[]) => Promise<void> | void): Run =>
  async (command, args, options) => {
    await before(command, args)
    return run(command, args, options)
  }

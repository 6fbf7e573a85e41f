import { expect } from '@jest/globals'
import { eventually, slowness, type CommandResult } from './host/command'
import { pluginName, type TestHost } from './host/host'

/** The longest that a container may take for one answer, in seconds. */
const patience = 3 * slowness

/** Makes a network of the driver's; gives its id. */
export async function createNetwork(
  host: TestHost,
  name: string,
  ...options: readonly string[]
): Promise<string> {
  const { stdout } = await host.docker('network', 'create', '-d', pluginName, ...options, name)
  return stdout.trim()
}

/** Starts a container that stays until it is removed. */
export async function startContainer(
  host: TestHost,
  name: string,
  network: string,
  ...options: readonly string[]
): Promise<void> {
  const image = ['busybox:test', 'sleep', '3600']
  await host.docker('run', '-d', '--name', name, '--net', network, ...options, ...image)
}

/** Each option of a network as `docker network create` takes it. */
export function asOptions(...options: readonly string[]): readonly string[] {
  return options.flatMap((option) => ['-o', option])
}

/** As {@link startContainer}, with driver options of the container's own: `docker run` of 20.10 has no way to. */
export async function connectContainer(
  host: TestHost,
  name: string,
  network: string,
  ...options: readonly string[]
): Promise<void> {
  await startContainer(host, name, 'none', '--cap-add', 'NET_ADMIN')
  await host.docker('network', 'disconnect', 'none', name)
  const driverOptions = options.flatMap((option) => ['--driver-opt', option])
  await host.docker('network', 'connect', ...driverOptions, network, name)
}

/** Runs a command in a running container; rejects with a CommandError unless it exits with 0. */
export async function inside(
  host: TestHost,
  container: string,
  ...command: readonly string[]
): Promise<string> {
  return (await host.docker('exec', container, ...command)).stdout.trim()
}

/** One ping, by name or address. */
export async function ping(host: TestHost, from: string, to: string): Promise<CommandResult> {
  return host.tryDocker('exec', from, 'ping', '-c', '1', '-W', String(patience), to)
}

/** Whether one of two pings is answered: the first may be lost to address resolution. */
export async function reaches(host: TestHost, from: string, to: string): Promise<boolean> {
  return (await twoPings(host, from, to)).code === 0
}

/** As {@link reaches}, but says of a failure what ping said. */
export async function expectReach(host: TestHost, from: string, to: string): Promise<void> {
  expect(await twoPings(host, from, to)).toMatchObject({ code: 0 })
}

function twoPings(host: TestHost, from: string, to: string): Promise<CommandResult> {
  return host.tryDocker('exec', from, 'ping', '-c', '2', '-W', String(patience), to)
}

/** What docker inspect says of a container's attachment to a network. */
export async function attachment(host: TestHost, container: string, network: string): Promise<Attachment> {
  const format = `{{json (index .NetworkSettings.Networks "${network}")}}`
  return JSON.parse((await host.docker('inspect', '-f', format, container)).stdout) as Attachment
}

export interface Attachment {
  readonly EndpointID: string
  readonly MacAddress: string
  readonly IPAddress: string
  readonly GlobalIPv6Address: string
}

/** A file of /sys/class/net/<link>/ in the container. */
export function linkFile(host: TestHost, container: string, file: string, link = 'eth0'): Promise<string> {
  return inside(host, container, 'cat', `/sys/class/net/${link}/${file}`)
}

/** The container's default gateway of IPv4, if it has one. */
export async function defaultGateway(host: TestHost, container: string): Promise<string | undefined> {
  const routes = await inside(host, container, 'ip', 'route')
  return /^default via (\S+)/m.exec(routes)?.[1]
}

/** The links of a container without the loopback and what the kernel puts into every namespace. */
export async function linksOf(host: TestHost, container: string): Promise<readonly string[]> {
  const output = await inside(host, container, 'ip', '-o', 'link')
  return [...output.matchAll(/^\d+: ([^:@]+)@/gm)]
    .map(([, name = '']) => name)
    .filter((name) => /^eth/.test(name))
}

/** The bridge of a network, found by the driver's record. */
export async function bridgeOf(host: TestHost, networkId: string): Promise<string> {
  const { stdout } = await host.ovs('ovs-vsctl', 'list-br')
  const bridges = stdout.split('\n').filter((bridge) => bridge === `ovsbr-${networkId.slice(0, 5)}`)
  if (bridges[0] === undefined) throw new Error(`no bridge of network ${networkId} among: ${stdout}`)
  return bridges[0]
}

/** The switch's port of a container, found by its MAC address in the link's kernel peer. */
export async function hostLinkOf(host: TestHost, container: string): Promise<string> {
  const index = await linkFile(host, container, 'iflink')
  const { stdout } = await host.sh('ip -o link show')
  const name = new RegExp(`^${index}: ([^:@]+)`, 'm').exec(stdout)?.[1]
  if (name === undefined) throw new Error(`no link ${index} in ${stdout}`)
  return name
}

/** Removes every container and every network that somebody made. */
export async function clear(host: TestHost): Promise<void> {
  await host.sh('docker ps -aq | xargs -r docker rm -f >/dev/null; docker network prune -f >/dev/null')
}

/** A network with two containers that come back after a restart of the engine, and that reach each other. */
export async function startPair(host: TestHost, ...options: readonly string[]): Promise<string> {
  const id = await createNetwork(host, 'mynet', '--subnet', '10.91.0.0/24', ...options)
  await startContainer(host, 'web', 'mynet', '--restart', 'always', '--ip', pairAddress)
  await startContainer(host, 'client', 'mynet', '--restart', 'always')
  await expectReach(host, 'client', pairAddress)
  return id
}

const pairAddress = '10.91.0.10'

/** Waits until `client` of {@link startPair} reaches `web`. */
export async function untilReached(host: TestHost, deadlineMs = 30_000): Promise<void> {
  await eventually(
    'client reaches web',
    async () => ((await reaches(host, 'client', pairAddress)) ? true : undefined),
    deadlineMs,
  )
}

/** Has `client` of {@link startPair} ping `web` ten times a second while something happens, and expects no loss. */
export async function whilePinging(host: TestHost, happening: () => Promise<unknown>): Promise<void> {
  // What was on its way when ping began to end is no loss.
  expect(await lostWhile(host, happening)).toBeLessThanOrEqual(1)
}

/**
 * Keeps `client` and `web` of {@link startPair} from asking each other for their MAC addresses: pings confirm none, as TCP
 * does, and one that is asked for while no switch decides is lost, and all pings with it.
 */
export async function keepNeighbours(host: TestHost): Promise<void> {
  for (const [container, other] of [
    ['web', 'client'],
    ['client', 'web'],
  ] as const) {
    const { IPAddress, MacAddress } = await attachment(host, other, 'mynet')
    const pid = (await host.docker('inspect', '-f', '{{.State.Pid}}', container)).stdout.trim()
    const neighbour = `${IPAddress} lladdr ${MacAddress} dev eth0 nud permanent`
    await host.sh(`nsenter -t ${pid} -n ip neighbour replace ${neighbour}`)
  }
}

/**
 * How many pings may be lost, of ten a second, where ovs-vswitchd starts on the kernel datapath: it forgets what flowed,
 * and decides again once it has its ports. While it is away none is.
 */
export const LOST_AT_START = 10

/** How many pings of `client` to `web` of {@link startPair}, ten a second, are not answered while something happens. */
export async function lostWhile(host: TestHost, happening: () => Promise<unknown>): Promise<number> {
  // Not by docker exec, which ends with the engine.
  const pid = (await host.docker('inspect', '-f', '{{.State.Pid}}', 'client')).stdout.trim()
  const log = '/tmp/pings'
  host.startDaemon(`exec nsenter -t ${pid} -n busybox ping -i 0.1 ${pairAddress} >${log}`)
  await eventually('ping runs', async () => host.sh(`grep -q seq=3 ${log}`))
  await happening()
  const answered = async (): Promise<number> => Number((await host.sh(`grep -c seq= ${log}`)).stdout.trim())
  const before = await answered()
  await eventually('answers go on', async () => ((await answered()) > before + 10 ? true : undefined))
  const pinger = (await host.sh("pgrep -f '[b]usybox ping -i 0.1'")).stdout.trim()
  await host.sh(`kill -INT ${pinger}`)
  const [, sent = '', received = ''] = await eventually('ping ends', async () => {
    const { stdout } = await host.sh(`cat ${log}`)
    return /(\d+) packets transmitted, (\d+) packets received/.exec(stdout) ?? undefined
  })
  return Number(sent) - Number(received)
}

/** Waits until the driver finds the host as it shall be. */
export async function untilNothingDiffers(host: TestHost): Promise<void> {
  await eventually('nothing differs', async () => {
    const differences = await host.differences()
    if (differences !== '') throw new Error(differences)
    return true
  })
}

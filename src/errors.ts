/**
 * Every error a user may meet, in one table: what was attempted on what, why it failed, and what to do. README lists
 * them verbatim.
 */
const messages = {
  INTERNAL: (reason: string) => `internal error: ${reason}`,
  BAD_REQUEST: (reason: string) => `bad request: ${reason}`,
  OPTION_UNKNOWN: (key: string, nearest: string | undefined, known: readonly string[]) =>
    nearest === undefined
      ? `unknown option ${key}: known are ${known.join(', ')}`
      : `unknown option ${key}: did you mean ${nearest}?`,
  OPTION_INVALID: (key: string, value: string, allowed: string) =>
    `option ${key}=${value} is not valid: allowed is ${allowed}`,
  OPTION_CONFLICT: (key: string, value: string, otherKey: string, otherValue: string) =>
    `options ${key}=${value} and ${otherKey}=${otherValue} name the same thing: leave one out`,
  OPTION_NEEDS: (option: string, needed: string) =>
    `option ${option} makes no sense alone: it needs ${needed}`,
  OPTION_EXCLUDES: (option: string, other: string, because: string) =>
    `option ${option} cannot stand with ${other}: ${because}`,
  MTU_TOO_SMALL_FOR_IPV6: (mtu: number) =>
    `option ovs.bridge.mtu=${mtu} is too small for a network with IPv6, which needs 1280 bytes`,
  MULTIPLE_GATEWAYS: (family: string, gateways: readonly string[]) =>
    `${gateways.length} ${family} gateways (${gateways.join(', ')}), but a container has one default route: ` +
    'name one --gateway, or none with -o ovs.bridge.gateway=none (engines before 28 pass one for each --subnet)',
  IPV6_MISSING: () =>
    'the kernel of this host has no IPv6 (ipv6.disable=1, or built without it): leave out --ipv6, or boot it with IPv6',
  SUBNETS_NEEDED: (mode: string) =>
    `a ${mode} network needs a subnet, for this host is its gateway: leave out --ipam-driver null`,
  GATEWAY_MISSING: (mode: string, subnet: string) =>
    `a ${mode} network needs a gateway in subnet ${subnet}, for this host is its gateway: name one with --gateway`,
  GATEWAY_OUTSIDE: (gateway: string, subnet: string) =>
    `gateway ${gateway} is not an address of a host in subnet ${subnet}`,
  SUBNETS_OVERLAP: (subnet: string, other: string, network: string) =>
    `subnet ${subnet} overlaps with ${other} of ${network}: this host could not tell them apart; choose another`,
  NETWORK_EXISTS: (network: string) => `network ${network} exists already with other options or addresses`,
  NETWORK_UNKNOWN: (network: string) =>
    `network ${network} is not known to this switch: remove it with docker network rm and create it again`,
  BRIDGE_OPTION_CONFLICT: (
    bridge: string,
    option: string,
    value: string,
    other: string,
    otherValue: string,
  ) =>
    `bridge ${bridge} carries network ${other} with ${option} ${otherValue}, which ${option} ${value} contradicts: ` +
    'give both networks the same, or another ovs.bridge.name',
  FOREIGN_BRIDGE_CONFLICT: (bridge: string, datapath: string, userspace: string) =>
    `bridge ${bridge} was not made by this driver and has datapath_type=${datapath}, which ovs.bridge.userspace=${userspace} ` +
    'contradicts: leave the option out, or choose another ovs.bridge.name',
  FOREIGN_BRIDGE_SETTING: (bridge: string, option: string) =>
    `bridge ${bridge} was not made by this driver: leave out ${option} and set it with ovs-vsctl, or choose another ovs.bridge.name`,
  UPLINK_MISSING: (link: string) => `this host has no link ${link}: name one that "ip link" shows`,
  UPLINK_HAS_ADDRESS: (link: string, addresses: readonly string[]) =>
    `link ${link} has the address ${addresses.join(', ')}, which would be reached no more: name another link, or let ` +
    'ovs.bridge.move_ip=true move it to the bridge',
  MOVE_UNSAFE: (link: string) =>
    `the addresses of ${link} cannot move to a bridge of the plugin's own switch, which ends when the plugin does: use ` +
    "the host's Open vSwitch (docker plugin set … ovs.source=/run)",
  PORT_ELSEWHERE: (port: string, bridge: string, wanted: string) =>
    `${port} is on bridge ${bridge} and cannot be on ${wanted} as well: give both networks ovs.bridge.name=${bridge}`,
  MIRROR_PORT_MISSING: (bridge: string, port: string) =>
    `bridge ${bridge} has no port ${port} to mirror to: add it with ovs.bridge.add_ports, or with ovs-vsctl add-port`,
  FLOWS_UNREACHABLE: (bridge: string) =>
    `cannot put flows on bridge ${bridge}: its socket is not where the database is reached; name the folder of both with ` +
    'docker plugin set … ovs.source=/run',
  FLOWS_FAILED: (bridge: string, reason: string) => `could not put flows on bridge ${bridge}: ${reason}`,
  RATE_FAILED: (port: string, what: string) =>
    `the kernel does no ${what} on port ${port}: see that it has the modules sch_htb and act_police, or leave out the rate`,
  BRIDGE_NAME_TAKEN: (bridge: string) =>
    `cannot create bridge ${bridge}: this host has a link of that name which is no Open vSwitch bridge; choose another ovs.bridge.name`,
  BRIDGE_FAILED: (bridge: string, reason: string) =>
    `Open vSwitch could not bring up bridge ${bridge}: ${reason}`,
  BRIDGE_GONE: (bridge: string) =>
    `bridge ${bridge} is gone and was not made by this driver: create it again with ovs-vsctl add-br ${bridge}`,
  TUN_MISSING: (bridge: string, reason: string) =>
    `cannot create bridge ${bridge} on the userspace datapath, which needs /dev/net/tun (${reason}): ` +
    'load the tun module on the host (modprobe tun), or the openvswitch module for the kernel datapath',
  KERNEL_DATAPATH_MISSING: (bridge: string) =>
    `cannot create bridge ${bridge} on the kernel datapath, which this host's kernel does not have: ` +
    'load the openvswitch module (modprobe openvswitch), or leave out ovs.bridge.userspace=false',
  PORT_FAILED: (port: string, reason: string) => `Open vSwitch could not open port ${port}: ${reason}`,
  NAME_TAKEN: (name: string) => `the name ${name} is taken by something that is not this driver's`,
  NAMES_EXHAUSTED: (prefix: string, id: string) =>
    `every name ${prefix}… that ${id} could have is taken: remove links or bridges of that prefix that nothing uses`,
  ENDPOINT_UNKNOWN: (endpoint: string, network: string) =>
    `endpoint ${endpoint} of network ${network} is not known: start the container again`,
  LINK_FAILED: (link: string, reason: string) => `could not set up link ${link}: ${reason}`,
  TUNNEL_PORT_TAKEN: (port: number, vni: number) =>
    `UDP port ${port} is taken on this host, or VNI ${vni} on it, by another tunnel (an overlay network of Docker Swarm, ` +
    "Open vSwitch's own VXLAN, …): choose another on every host, -o ovs.bridge.tunnel_port=… or -o ovs.bridge.vni=…",
  PUBLISH_UNSUPPORTED: (ports: readonly string[]) =>
    `cannot publish ${ports.join(', ')} on a flat network: its containers are reached at their own addresses; ` +
    'leave out -p and -P or, for a nat network of the same container to publish them, create this one with ' +
    '-o ovs.bridge.gateway=none',
  PORT_TAKEN: (protocol: string, address: string, port: string, holder: string) =>
    `cannot publish ${protocol} port ${port} of ${address}: it is in use by ${holder}`,
  PORT_UNBINDABLE: (protocol: string, address: string, port: number, reason: string) =>
    `cannot publish ${protocol} port ${port} of ${address}: ${reason}`,
  FIREWALL_FAILED: (attempt: string, reason: string) =>
    `could not ${attempt}: the packet filter refused: ${reason}`,
  FIREWALL_UNUSABLE: (reason: string) =>
    `the host's packet filter cannot be used: ${reason}; docker plugin set … FIREWALL=none leaves it alone`,
  FIREWALLD_BLOCKS: (link: string) =>
    `firewalld lets nothing out that comes from the containers behind ${link}: put that link into a zone that accepts it, ` +
    `firewall-cmd --permanent --zone=docker --add-interface=${link} && firewall-cmd --reload`,
  FILTER_BLOCKS: (link: string, table: string) =>
    `the host's packet filter lets nothing out that comes from the containers behind ${link}: its table ${table} drops it ` +
    'in the hook forward; accept there what comes from that link and what goes to it',
  GATEWAY_FAILED: (link: string, reason: string) => `could not give ${link} the network's gateway: ${reason}`,
  SYSCTL_FAILED: (path: string, reason: string) =>
    `could not set net.${path.replaceAll('/', '.')}: ${reason}`,
  OVS_UNREACHABLE: (endpoint: string, reason: string) =>
    `Open vSwitch does not answer at ${endpoint} (${reason}): start it, or choose another with docker plugin set OVSDB=…`,
  SWITCH_STALLED: (attempt: string) =>
    `gave up to ${attempt}: ovs-vswitchd did not apply the change in time; see that it runs and what it logs`,
  SWITCH_REFUSED: (attempt: string, reason: string) =>
    `could not ${attempt}: Open vSwitch refused: ${reason}`,
  DEADLINE: (attempt: string, seconds: number) => `gave up to ${attempt} after ${seconds} seconds`,
  SETTING_INVALID: (name: string, value: string, allowed: string) =>
    `plugin setting ${name}=${value} is not valid: allowed is ${allowed}`,
  DATABASE_UNUSABLE: (path: string, reason: string) =>
    `the embedded switch's database ${path} cannot be used: ${reason}`,
  DATAPATH_IN_USE: (datapath: string) =>
    `the datapath ${datapath} of another Open vSwitch is on this host: let the plugin use that one (docker plugin set … ` +
    'ovs.source=/run), or stop it and take its datapath away (ovs-dpctl del-dp …)',
} as const

type Messages = typeof messages

export type ErrorCode = keyof Messages

/** An error whose message is meant for the user who typed the command. */
export class DriverError extends Error {
  override readonly name = 'DriverError'

  private constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }

  static of<Code extends ErrorCode>(
    code: Code,
    details: Parameters<Messages[Code]>,
    options?: ErrorOptions,
  ): DriverError {
    const render = messages[code] as (...args: Parameters<Messages[Code]>) => string
    return new DriverError(code, render(...details), options)
  }
}

/** The text of whatever was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** Why some work failed; `undefined` where it did not. */
export async function failureOf(work: Promise<unknown>): Promise<Error | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/**
 * For the outcomes of parts that were each tried whatever became of the others.
 *
 * @throws the one failure, or an AggregateError with every one.
 */
export function throwFailures(outcomes: readonly (Error | undefined)[]): void {
  const failures = outcomes.filter((outcome) => outcome !== undefined)
  if (failures.length > 1)
    throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
  for (const failure of failures) throw failure
}

import type { Parse } from './values'
import {
  boolean,
  collector,
  controller,
  datapathId,
  integer,
  ipAddress,
  linkName,
  listOf,
  oneOf,
  unicastMacAddress,
  uplink,
  vlanIds,
} from './values'

/** An option that users give as text. */
export interface OptionSpec<T> {
  readonly key: string
  /** Other names people type for it: the ancestor's, Docker's own. */
  readonly aliases: readonly string[]
  /** What the text may be, for the message that refuses another. */
  readonly allowed: string
  readonly parse: Parse<T>
}

function spec<T>(
  key: string,
  allowed: string,
  parse: Parse<T>,
  ...aliases: readonly string[]
): OptionSpec<T> {
  return { key, allowed, parse, aliases }
}

const ancestor = (name: string): string => `net.gopher.ovs.bridge.${name}`

const TRUE_OR_FALSE = 'true or false'
const COLLECTORS = '<address>:<port>, several with commas between'
const UPLINKS =
  'eth2, eth2/<OpenFlow port>, eth2/<OpenFlow port>/<VLAN>, bond:eth2+eth3 or bond:eth2+eth3/<mode>'
const RATE = 'a number of kbit/s from 1 to 4000000000'

/** For a network (`docker network create -o`) and for one container (a driver option of its endpoint). */
const PORT_SPECS = {
  vlan: spec('ovs.bridge.vlan', 'a VLAN id from 1 to 4094', integer(1, 4094)),
  trunks: spec('ovs.bridge.trunks', 'VLAN ids from 1 to 4094 and ranges, such as 10,20,30-39', vlanIds),
  vlanMode: spec(
    'ovs.bridge.vlan_mode',
    'access, trunk, native-tagged, native-untagged or dot1q-tunnel',
    oneOf('access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'),
  ),
  ingressRate: spec('ovs.port.ingress_rate', RATE, integer(1, 4_000_000_000)),
  ingressBurst: spec(
    'ovs.port.ingress_burst',
    'a number of kbit from 1 to 4000000000',
    integer(1, 4_000_000_000),
  ),
  egressRate: spec('ovs.port.egress_rate', RATE, integer(1, 4_000_000_000)),
  security: spec('ovs.port.security', TRUE_OR_FALSE, boolean),
} as const

export const NETWORK_SPECS = {
  mode: spec('ovs.bridge.mode', 'flat, nat or routed', oneOf('flat', 'nat', 'routed'), ancestor('mode')),
  bridgeName: spec(
    'ovs.bridge.name',
    'a link name of at most 15 bytes: letters, digits, dot, hyphen, underscore, a letter or digit first',
    linkName,
    ancestor('name'),
    'com.docker.network.bridge.name',
  ),
  mtu: spec(
    'ovs.bridge.mtu',
    // RFC 791: every IPv4 link carries 68 bytes; the upper bound is veth's.
    'a number of bytes from 68 to 65535',
    integer(68, 65_535),
    ancestor('mtu'),
    'com.docker.network.driver.mtu',
  ),
  ...PORT_SPECS,
  userspace: spec('ovs.bridge.userspace', TRUE_OR_FALSE, boolean),
  gateway: spec('ovs.bridge.gateway', 'auto or none', oneOf('auto', 'none')),
  icc: spec('ovs.bridge.icc', TRUE_OR_FALSE, boolean, 'com.docker.network.bridge.enable_icc'),
  bindInterface: spec('ovs.bridge.bind_interface', UPLINKS, uplink, ancestor('bind_interface')),
  addPorts: spec('ovs.bridge.add_ports', `a list with commas between of ${UPLINKS}`, listOf(uplink)),
  moveIp: spec('ovs.bridge.move_ip', TRUE_OR_FALSE, boolean),
  tunnel: spec('ovs.bridge.tunnel', 'vxlan, geneve or gre', oneOf('vxlan', 'geneve', 'gre')),
  peers: spec(
    'ovs.bridge.peers',
    'IP addresses of other hosts, each once, with commas between',
    listOf(ipAddress),
  ),
  // RFC 7348 and RFC 8926: 24 bits.
  vni: spec('ovs.bridge.vni', 'a number from 1 to 16777215', integer(1, 16_777_215)),
  tunnelPort: spec('ovs.bridge.tunnel_port', 'a UDP port from 1 to 65535', integer(1, 65_535)),
  localIp: spec('ovs.bridge.local_ip', 'an IP address of this host', ipAddress),
  controllers: spec(
    'ovs.bridge.controller',
    'tcp:<address>[:<port>] or ssl:<address>[:<port>], several with commas between',
    listOf(controller),
  ),
  datapathId: spec('ovs.bridge.dpid', '1 to 16 hexadecimal digits, not all of them zero', datapathId),
  failMode: spec('ovs.bridge.fail_mode', 'standalone or secure', oneOf('standalone', 'secure')),
  protocols: spec(
    'ovs.bridge.protocols',
    'OpenFlow10, OpenFlow11, OpenFlow12, OpenFlow13, OpenFlow14, OpenFlow15, several with commas between',
    listOf(oneOf('OpenFlow10', 'OpenFlow11', 'OpenFlow12', 'OpenFlow13', 'OpenFlow14', 'OpenFlow15')),
  ),
  macAddress: spec(
    'ovs.bridge.hwaddr',
    'a MAC address of one station, such as 02:00:00:00:00:01',
    unicastMacAddress,
  ),
  stp: spec('ovs.bridge.stp', TRUE_OR_FALSE, boolean),
  rstp: spec('ovs.bridge.rstp', TRUE_OR_FALSE, boolean),
  mcastSnooping: spec('ovs.bridge.mcast_snooping', TRUE_OR_FALSE, boolean),
  mirror: spec('ovs.bridge.mirror', 'the name of a port of the bridge', linkName),
  sflow: spec('ovs.bridge.sflow', `${COLLECTORS}, and /<one packet in so many>`, collector),
  netflow: spec('ovs.bridge.netflow', COLLECTORS, collector),
  ipfix: spec('ovs.bridge.ipfix', `${COLLECTORS}, and /<one packet in so many>`, collector),
} as const

export const ENDPOINT_SPECS = {
  ...PORT_SPECS,
  mirror: spec('ovs.port.mirror', TRUE_OR_FALSE, boolean),
} as const

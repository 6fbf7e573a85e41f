import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import type { NetlinkRequest } from './messages'
import { attribute, decodeAttributes, NLM, text, textOf, uint16BigEndian, uint32, uint8 } from './messages'

/** linux/rtnetlink.h, linux/if_link.h and linux/veth.h. */
const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, SETLINK: 19 } as const
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  LINKINFO: 18,
  IFALIAS: 20,
  AF_SPEC: 26,
  GROUP: 27,
  EXT_MASK: 29,
  LINK_NETNSID: 37,
} as const
const LINKINFO = { KIND: 1, DATA: 2 } as const
const VETH_PEER = 1
const VXLAN = { ID: 1, REMOTE: 2, LOCAL: 4, PORT: 15, REMOTE6: 16, LOCAL6: 17 } as const
const AF_INET6 = 10
const INET6_ADDR_GEN_MODE = 8
const ADDR_GEN_NONE = 1
const IFF_UP = 1
/** Counters are most of what a link tells, and nobody reads them here. */
const SKIP_STATISTICS = 8

const IFINFO_BYTES = 16

/** Nobody else's, by its oddity. Links are in it for as long as it takes to delete them together. */
const DOOMED_GROUP = 0x646f7665

/** Where links are that nobody put into one. */
export const NO_GROUP = 0

/** A link of the namespace, as the kernel has it. */
export interface LinkRow {
  readonly index: number
  readonly name: string
  readonly mtu: number
  /** Absent on links without a link layer, such as tun devices. */
  readonly macAddress?: string
  readonly up: boolean
  readonly alias?: string
  /** Of a veth's other end, while that is in the same namespace. */
  readonly peerIndex?: number
  /** The kernel's name of what made it, such as `veth` or `openvswitch`; absent on NICs. */
  readonly kind?: string
}

/** A link to be made. */
export type NewLink =
  | {
      readonly kind: 'veth'
      readonly name: string
      readonly peer: string
      /** Both ends, bytes. */
      readonly mtu: number
      /** Of the peer. */
      readonly macAddress: string
      /** Of both ends. */
      readonly alias: string
    }
  | {
      readonly kind: 'vxlan'
      readonly name: string
      readonly alias: string
      readonly vni: number
      /** UDP's; here and at the peers. */
      readonly port: number
      /** The address to send from. */
      readonly local?: string
      /** Where what the device has not learnt goes. */
      readonly remote?: string
    }

/** What shall be of a link; what is absent stays. */
export interface LinkSettings {
  readonly mtu?: number
  readonly macAddress?: string
  readonly alias?: string
  readonly group?: number
  readonly up?: true
  /** True: the kernel gives it no IPv6 address of its own. */
  readonly withoutIPv6Address?: true
}

const MASK = attribute(IFLA.EXT_MASK, uint32(SKIP_STATISTICS))

export const listRequest = (): NetlinkRequest => ({
  type: RTM.GETLINK,
  flags: NLM.REQUEST | NLM.DUMP,
  payload: linkPayload({}, MASK),
})

export const findRequest = (which: { readonly name: string } | { readonly index: number }): NetlinkRequest =>
  acknowledged(RTM.GETLINK, linkPayload(which, MASK))

/**
 * Makes a link with its alias, down. The kernel takes no alias for a link that it has yet to make, but carries out a
 * datagram to its end: whoever dies on the way leaves nothing, or the link with its mark. The links are left in a group
 * of their own.
 */
export function creationRequests(link: NewLink): readonly NetlinkRequest[] {
  // By their group and not by their names, which may be those of others' links: then nothing is made.
  const group = attribute(IFLA.GROUP, uint32(groupOf(link.alias)))
  const kind = attribute(LINKINFO.KIND, Buffer.from(link.kind))
  const data = attribute(LINKINFO.DATA, ...(link.kind === 'veth' ? vethData(link, group) : vxlanData(link)))
  const mtu = link.kind === 'veth' ? [attribute(IFLA.MTU, uint32(link.mtu))] : []
  const creation = linkPayload(link, ...mtu, group, attribute(IFLA.LINKINFO, kind, data))
  const marking = linkPayload({}, group, attribute(IFLA.IFALIAS, Buffer.from(link.alias)))
  return [acknowledged(RTM.NEWLINK, creation, NLM.CREATE | NLM.EXCLUSIVE), acknowledged(RTM.NEWLINK, marking)]
}

function vethData(
  { peer, mtu, macAddress }: NewLink & { readonly kind: 'veth' },
  group: Buffer,
): readonly Buffer[] {
  const address = attribute(IFLA.ADDRESS, macBytes(macAddress))
  return [attribute(VETH_PEER, linkPayload({ name: peer }, attribute(IFLA.MTU, uint32(mtu)), group, address))]
}

/** The device's socket is of IPv4 unless one of its addresses is of IPv6. */
function vxlanData({ vni, port, local, remote }: NewLink & { readonly kind: 'vxlan' }): readonly Buffer[] {
  const address = (types: readonly [number, number], text: string | undefined): readonly Buffer[] => {
    if (text === undefined) return []
    const bytes = ipaddr.parse(text).toByteArray()
    return [attribute(types[bytes.length === 4 ? 0 : 1], Buffer.from(bytes))]
  }
  return [
    attribute(VXLAN.ID, uint32(vni)),
    attribute(VXLAN.PORT, uint16BigEndian(port)),
    ...address([VXLAN.LOCAL, VXLAN.LOCAL6], local),
    ...address([VXLAN.REMOTE, VXLAN.REMOTE6], remote),
  ]
}

/** All of them, and the other ends of those that are veths. A link that is gone is refused as `ENODEV`. */
export function deletionRequests(indexes: readonly number[]): readonly NetlinkRequest[] {
  const inGroup = attribute(IFLA.GROUP, uint32(DOOMED_GROUP))
  return [
    ...indexes.map((index) => acknowledged(RTM.SETLINK, linkPayload({ index }, inGroup))),
    acknowledged(RTM.DELLINK, linkPayload({}, inGroup)),
  ]
}

/** Nobody else's, but for the odds of 32 bits. */
const groupOf = (alias: string): number => createHash('sha256').update(alias).digest().readUInt32LE(0)

const acknowledged = (type: number, payload: Buffer, more = 0): NetlinkRequest => ({
  type,
  flags: NLM.REQUEST | NLM.ACK | more,
  payload,
})

/** A `struct ifinfomsg` and attributes. */
function linkPayload(
  link: { readonly name?: string; readonly index?: number; readonly up?: true },
  ...attributes: readonly Buffer[]
): Buffer {
  const header = Buffer.alloc(IFINFO_BYTES)
  header.writeInt32LE(link.index ?? 0, 4)
  header.writeUInt32LE(link.up === true ? IFF_UP : 0, 8)
  header.writeUInt32LE(link.up === true ? IFF_UP : 0, 12)
  const name = link.name === undefined ? [] : [attribute(IFLA.IFNAME, text(link.name))]
  return Buffer.concat([header, ...name, ...attributes])
}

export interface SettingStep {
  readonly request: NetlinkRequest
  /** An error that is none. */
  readonly tolerated?: string
}

export function settingSteps({
  name,
  ...wanted
}: LinkSettings & { readonly name: string }): readonly SettingStep[] {
  const attributes = [
    ...(wanted.mtu === undefined ? [] : [attribute(IFLA.MTU, uint32(wanted.mtu))]),
    ...(wanted.macAddress === undefined ? [] : [attribute(IFLA.ADDRESS, macBytes(wanted.macAddress))]),
    ...(wanted.alias === undefined ? [] : [attribute(IFLA.IFALIAS, Buffer.from(wanted.alias))]),
    ...(wanted.group === undefined ? [] : [attribute(IFLA.GROUP, uint32(wanted.group))]),
  ]
  const mode = attribute(INET6_ADDR_GEN_MODE, uint8(ADDR_GEN_NONE))
  const withoutIPv6 = linkPayload({ name }, attribute(IFLA.AF_SPEC, attribute(AF_INET6, mode)))
  return [
    ...(attributes.length === 0
      ? []
      : [{ request: acknowledged(RTM.SETLINK, linkPayload({ name }, ...attributes)) }]),
    ...(wanted.withoutIPv6Address === undefined
      ? []
      : // Without IPv6 in the kernel, or below its least MTU (1280), there is no such address and no such setting.
        [{ request: acknowledged(RTM.SETLINK, withoutIPv6), tolerated: 'EAFNOSUPPORT' }]),
    ...(wanted.up === undefined
      ? []
      : [{ request: acknowledged(RTM.SETLINK, linkPayload({ name, up: true })) }]),
  ]
}

export function decodeLink(payload: Buffer): LinkRow {
  const attributes = decodeAttributes(payload, IFINFO_BYTES)
  const address = attributes.get(IFLA.ADDRESS)
  const alias = textOf(attributes.get(IFLA.IFALIAS))
  const info = attributes.get(IFLA.LINKINFO)
  const kind = info === undefined ? undefined : textOf(decodeAttributes(info, 0).get(LINKINFO.KIND))
  const isPeerHere = attributes.has(IFLA.LINK) && !attributes.has(IFLA.LINK_NETNSID)
  return {
    index: payload.readInt32LE(4),
    name: textOf(attributes.get(IFLA.IFNAME)) ?? '',
    mtu: attributes.get(IFLA.MTU)?.readUInt32LE(0) ?? 0,
    ...(address === undefined ? {} : { macAddress: macText(address) }),
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    ...(alias === undefined ? {} : { alias }),
    ...(isPeerHere ? { peerIndex: attributes.get(IFLA.LINK)?.readUInt32LE(0) ?? 0 } : {}),
    ...(kind === undefined ? {} : { kind }),
  }
}

const macBytes = (address: string): Buffer => Buffer.from(address.replaceAll(':', ''), 'hex')

const macText = (bytes: Buffer): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')

import type { NetlinkRequest } from './messages'
import { attribute, decodeAttributes, NLM, text, textOf, uint32, uint8 } from './messages'
import type { NetlinkSocket } from './socket'
import { throwRefusal, unlessAborted } from './socket'

/** linux/rtnetlink.h and linux/if_link.h. */
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
const AF_INET6 = 10
const INET6_ADDR_GEN_MODE = 8
const ADDR_GEN_NONE = 1
const IFF_UP = 1
/** Counters are most of what a link tells, and nobody reads them here. */
const SKIP_STATISTICS = 8

const IFINFO_BYTES = 16

/** Nobody else's, by its oddity. Links are in it for as long as it takes to delete them together. */
const DOOMED_GROUP = 0x646f7665

/** How often a list is asked for again where links came and went meanwhile. */
const LIST_ATTEMPTS = 3

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
}

export interface NewVethPair {
  readonly name: string
  readonly peer: string
  /** Both ends, bytes. */
  readonly mtu: number
  /** Of the peer. */
  readonly macAddress: string
}

/** What shall be of a link; what is absent stays. */
export interface LinkSettings {
  readonly mtu?: number
  readonly macAddress?: string
  readonly alias?: string
  readonly up?: true
  /** True: the kernel gives it no IPv6 address of its own. */
  readonly withoutIPv6Address?: true
}

/** The kernel's table of links, over rtnetlink: no process is spawned, which would take longer than the work. */
export class LinkTable {
  private readonly doomed: Doomed[] = []
  private isDeleting = false

  constructor(
    private readonly socket: NetlinkSocket,
    /** Of its own: a deletion is a wait of about 15 ms in the kernel. */
    private readonly deletions: NetlinkSocket,
  ) {}

  /** Every link. Where links come and go meanwhile some may be missing: look again before anything is concluded. */
  async list(signal: AbortSignal): Promise<readonly LinkRow[]> {
    const request = { type: RTM.GETLINK, flags: NLM.REQUEST | NLM.DUMP, payload: linkPayload({}, MASK) }
    for (let attempt = 1; ; attempt += 1) {
      const answers = await this.socket.exchange([request], signal)
      throwRefusal(answers)
      const [answer] = answers
      if (answer?.interrupted === true && attempt < LIST_ATTEMPTS) continue
      return (answer?.objects ?? []).map(decodeLink)
    }
  }

  /** By name or index; `undefined` where there is none. */
  async find(which: { name: string } | { index: number }, signal: AbortSignal): Promise<LinkRow | undefined> {
    const payload = linkPayload(which, MASK)
    const [answer] = await this.socket.exchange([acknowledged(RTM.GETLINK, payload)], signal)
    if (answer?.error?.code === 'ENODEV') return undefined
    if (answer?.error !== undefined) throw answer.error
    const [found] = answer?.objects ?? []
    return found === undefined ? undefined : decodeLink(found)
  }

  /** Makes both ends, down. @throws NetlinkError `EEXIST` where either name is taken. */
  async addVethPair({ name, peer, mtu, macAddress }: NewVethPair, signal: AbortSignal): Promise<void> {
    const peerEnd = linkPayload(
      { name: peer },
      attribute(IFLA.MTU, uint32(mtu)),
      attribute(IFLA.ADDRESS, macBytes(macAddress)),
    )
    const kind = attribute(LINKINFO.KIND, Buffer.from('veth'))
    const data = attribute(LINKINFO.DATA, attribute(VETH_PEER, peerEnd))
    const payload = linkPayload(
      { name },
      attribute(IFLA.MTU, uint32(mtu)),
      attribute(IFLA.LINKINFO, kind, data),
    )
    const request = acknowledged(RTM.NEWLINK, payload, NLM.CREATE | NLM.EXCLUSIVE)
    throwRefusal(await this.socket.exchange([request], signal))
  }

  /** In order, each link's settings too; what comes after a failure is tried all the same. @throws NetlinkError */
  async set(
    links: readonly (LinkSettings & { readonly name: string })[],
    signal: AbortSignal,
  ): Promise<void> {
    const steps = links.flatMap(settingSteps)
    const answers = await this.socket.exchange(
      steps.map(({ request }) => request),
      signal,
    )
    throwRefusal(answers.filter(({ error }, step) => error?.code !== steps[step]?.tolerated))
  }

  /**
   * Deletes a link, and a veth's other end with it; one that is gone is no error. Those that wait at the same moment go
   * together: the kernel's wait is the same for any number.
   */
  remove(index: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const removed = new Promise<void>((done, failed) => {
      this.doomed.push({ index, done, failed })
    })
    void this.deleteDoomed()
    return unlessAborted(removed, signal)
  }

  private async deleteDoomed(): Promise<void> {
    if (this.isDeleting) return
    this.isDeleting = true
    // Whoever else asks in this turn of the event loop joins in.
    await Promise.resolve()
    while (this.doomed.length > 0) {
      const batch = this.doomed.splice(0)
      try {
        await this.deleteTogether(batch.map(({ index }) => index))
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.isDeleting = false
  }

  private async deleteTogether(indexes: readonly number[]): Promise<void> {
    const inGroup = attribute(IFLA.GROUP, uint32(DOOMED_GROUP))
    const answers = await this.deletions.exchange(
      [
        ...indexes.map((index) => acknowledged(RTM.SETLINK, linkPayload({ index }, inGroup))),
        acknowledged(RTM.DELLINK, linkPayload({}, inGroup)),
      ],
      new AbortController().signal,
    )
    throwRefusal(answers.filter(({ error }) => error?.code !== 'ENODEV'))
  }
}

interface Doomed {
  readonly index: number
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

const MASK = attribute(IFLA.EXT_MASK, uint32(SKIP_STATISTICS))

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

interface SettingStep {
  readonly request: NetlinkRequest
  /** An error that is none. */
  readonly tolerated?: string
}

function settingSteps({ name, ...wanted }: LinkSettings & { readonly name: string }): readonly SettingStep[] {
  const attributes = [
    ...(wanted.mtu === undefined ? [] : [attribute(IFLA.MTU, uint32(wanted.mtu))]),
    ...(wanted.macAddress === undefined ? [] : [attribute(IFLA.ADDRESS, macBytes(wanted.macAddress))]),
    ...(wanted.alias === undefined ? [] : [attribute(IFLA.IFALIAS, Buffer.from(wanted.alias))]),
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

function decodeLink(payload: Buffer): LinkRow {
  const attributes = decodeAttributes(payload, IFINFO_BYTES)
  const address = attributes.get(IFLA.ADDRESS)
  const alias = textOf(attributes.get(IFLA.IFALIAS))
  const isPeerHere = attributes.has(IFLA.LINK) && !attributes.has(IFLA.LINK_NETNSID)
  return {
    index: payload.readInt32LE(4),
    name: textOf(attributes.get(IFLA.IFNAME)) ?? '',
    mtu: attributes.get(IFLA.MTU)?.readUInt32LE(0) ?? 0,
    ...(address === undefined ? {} : { macAddress: macText(address) }),
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    ...(alias === undefined ? {} : { alias }),
    ...(isPeerHere ? { peerIndex: attributes.get(IFLA.LINK)?.readUInt32LE(0) ?? 0 } : {}),
  }
}

const macBytes = (address: string): Buffer => Buffer.from(address.replaceAll(':', ''), 'hex')

const macText = (bytes: Buffer): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')

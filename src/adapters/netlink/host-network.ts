import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ForwardedFamilies, GatewayLink, HostNetwork, SysctlValues } from '../../driver/host-network'
import { DriverError, reasonOf } from '../../errors'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'
import type { IpAddressLink } from './ip'
import { globalAddresses, IpCommand } from './ip'

/** Kernel settings as files, so that tests reach those of a namespace of their own. */
export interface SysctlFiles {
  /** `undefined` where the kernel has no such setting. */
  read(path: string): Promise<string | undefined>
  write(path: string, value: string): Promise<void>
  /** Names of the links that have a folder of settings. */
  links(path: string): Promise<readonly string[]>
}

/** @param directory /proc/sys/net of the host; a plugin's own is read-only. */
export function createSysctlFiles(directory: string): SysctlFiles {
  return {
    read: (path) =>
      readFile(join(directory, path), 'utf8').then(
        (text) => text.trim(),
        () => undefined,
      ),
    write: (path, value) => writeFile(join(directory, path), value),
    links: (path) => readdir(join(directory, path)).catch(() => []),
  }
}

const IPV4_FORWARDING = 'ipv4/ip_forward'
const IPV6_CONF = 'ipv6/conf'
const IPV6_FORWARDING = `${IPV6_CONF}/all/forwarding`

/** RA accepted: 1 only while the host does not forward, 2 also then (Documentation/networking/ip-sysctl). */
const ACCEPT_RA = { hostsOnly: '1', always: '2' } as const

/** {@link HostNetwork} over iproute2 and the files of /proc/sys/net. */
export class GatewayLinks implements HostNetwork {
  private readonly ip: IpCommand

  constructor(
    run: Run,
    private readonly sysctls: SysctlFiles,
  ) {
    this.ip = new IpCommand(run)
  }

  async hasIPv6(): Promise<boolean> {
    return (await this.sysctls.read(IPV6_FORWARDING)) !== undefined
  }

  async ensureGateway(gateway: GatewayLink, signal: AbortSignal): Promise<boolean> {
    const { name, addresses, mtu } = gateway
    try {
      const wantsIPv6 = addresses.some(isIPv6)
      if (wantsIPv6) await this.allowIPv6(name)
      const link = (await this.ip.addresses(signal)).find(({ ifname }) => ifname === name)
      if (isAsWanted(link, gateway)) return false
      const present = globalAddresses(link)
      const wanted = new Set(addresses)
      await this.ip.batch(
        [
          `link set dev ${name} mtu ${mtu} up`,
          ...present.filter((cidr) => !wanted.has(cidr)).map((cidr) => `address del ${cidr} dev ${name}`),
          ...addresses
            .filter((cidr) => !present.includes(cidr))
            // An address that is looked for in duplicate cannot be used meanwhile, and this one is given, not chosen.
            .map((cidr) => `address add ${cidr} dev ${name}${isIPv6(cidr) ? ' nodad' : ''}`),
        ],
        signal,
      )
      return true
    } catch (error) {
      if (!(error instanceof CommandError) && !isSystemError(error)) throw error
      throw DriverError.of('GATEWAY_FAILED', [name, reasonOf(error)], { cause: error })
    }
  }

  async differing(gateways: readonly GatewayLink[], signal: AbortSignal): Promise<readonly GatewayLink[]> {
    if (gateways.length === 0) return []
    const byName = new Map((await this.ip.addresses(signal)).map((link) => [link.ifname, link]))
    return gateways.filter((gateway) => !isAsWanted(byName.get(gateway.name), gateway))
  }

  async missingForwarding({ ipv4, ipv6 }: ForwardedFamilies): Promise<SysctlValues> {
    const missing = new Map<string, string>()
    if (ipv4 && (await this.sysctls.read(IPV4_FORWARDING)) !== '1') missing.set(IPV4_FORWARDING, '1')
    if (ipv6 && (await this.sysctls.read(IPV6_FORWARDING)) !== '1') {
      for (const link of await this.sysctls.links(IPV6_CONF)) {
        const path = `${IPV6_CONF}/${link}/accept_ra`
        if ((await this.sysctls.read(path)) === ACCEPT_RA.hostsOnly) missing.set(path, ACCEPT_RA.always)
      }
      // After the links': a router that accepts no advertisements loses its own routes at once.
      missing.set(IPV6_FORWARDING, '1')
    }
    return missing
  }

  async ensureForwarding(families: ForwardedFamilies): Promise<SysctlValues> {
    const changed = new Map<string, string>()
    for (const [path, value] of await this.missingForwarding(families)) {
      const before = await this.sysctls.read(path)
      await this.write(path, value)
      if (before !== undefined) changed.set(path, before)
    }
    return changed
  }

  async restore(values: SysctlValues): Promise<void> {
    for (const [path, before] of values) {
      const given = path.endsWith('accept_ra') ? ACCEPT_RA.always : '1'
      if ((await this.sysctls.read(path)) === given) await this.write(path, before)
    }
  }

  private async write(path: string, value: string): Promise<void> {
    try {
      await this.sysctls.write(path, value)
    } catch (error) {
      throw DriverError.of('SYSCTL_FAILED', [path, reasonOf(error)], { cause: error })
    }
  }

  /**
   * Hosts may turn IPv6 off for links to come, and the kernel then refuses addresses. The kernel asks for containers by the
   * link's own link-local address, and asks nobody while it looks for that in duplicate.
   */
  private async allowIPv6(link: string): Promise<void> {
    for (const setting of ['disable_ipv6', 'accept_dad']) {
      const path = `${IPV6_CONF}/${link}/${setting}`
      if ((await this.sysctls.read(path)) === '1') await this.write(path, '0')
    }
  }
}

function isAsWanted(link: IpAddressLink | undefined, { addresses, mtu }: GatewayLink): boolean {
  if (link === undefined || !link.flags.includes('UP') || link.mtu !== mtu) return false
  const present = globalAddresses(link)
  return present.length === addresses.length && addresses.every((cidr) => present.includes(cidr))
}

function isIPv6(cidr: string): boolean {
  return cidr.includes(':')
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && 'syscall' in error
}

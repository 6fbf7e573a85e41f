import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'

/** The conditions of the kernel that callers tell apart. */
export type KernelErrorCode = 'EBUSY' | 'EINVAL'

/** What iproute2 prints for each. */
const errorTexts: readonly (readonly [KernelErrorCode, RegExp])[] = [
  ['EBUSY', /Device or resource busy/],
  ['EINVAL', /Invalid argument/],
]

/** The kernel's condition behind a failed command; `undefined` for any other. */
export function kernelErrorCode(error: unknown): KernelErrorCode | undefined {
  if (!(error instanceof CommandError)) return undefined
  return errorTexts.find(([, text]) => text.test(error.stderr))?.[0]
}

/** A link with its addresses as `ip -json address show` prints it, as far as it is used. */
export interface IpAddressLink {
  readonly ifname: string
  readonly mtu: number
  readonly flags: readonly string[]
  readonly addr_info: readonly {
    readonly local: string
    readonly prefixlen: number
    readonly scope: string
  }[]
}

/** In CIDR form; none where there is no link. */
export function globalAddresses(link: IpAddressLink | undefined): readonly string[] {
  const addresses = link?.addr_info ?? []
  return addresses
    .filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
}

/** iproute2's `ip` for links. Names and aliases must have been validated: they become part of a command line. */
export class IpCommand {
  constructor(private readonly run: Run) {}

  /** Every link of the namespace with its addresses. */
  async addresses(signal: AbortSignal): Promise<readonly IpAddressLink[]> {
    return JSON.parse(await this.ip(['-json', 'address', 'show'], signal)) as readonly IpAddressLink[]
  }

  /**
   * Runs commands in one process, in order. Not a transaction: it stops at the first that fails.
   *
   * @throws CommandError
   */
  async batch(lines: readonly string[], signal: AbortSignal): Promise<void> {
    await this.run('ip', ['-batch', '-'], { input: lines.map((line) => `${line}\n`).join(''), signal })
  }

  /**
   * The kernel lets nobody else attach to a tap device that a process holds (EBUSY, which is no error here), nor to a
   * link that is none (EINVAL).
   */
  async deleteUnheldTap(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.ip(['tuntap', 'del', 'dev', name, 'mode', 'tap'], signal)
    } catch (error) {
      if (!['EBUSY', 'EINVAL'].includes(kernelErrorCode(error) ?? '')) throw error
    }
  }

  private async ip(args: readonly string[], signal: AbortSignal): Promise<string> {
    return (await this.run('ip', args, { signal })).stdout
  }
}

import { readFile, rm, writeFile } from 'node:fs/promises'
import type { SysctlFiles } from '../adapters/netlink/host-network'
import { reasonOf } from '../errors'
import type { Logger } from '../log'

const SETTING = 'core/rmem_default'

/** Room for some fifty segments of 64 KiB, with what the kernel counts on top of them. */
const WANTED_BYTES = String(4 * 1024 * 1024)

/**
 * What waits in a packet socket until the userspace switch reads it. The kernel's default holds two or three segments of
 * 64 KiB, drops what comes next, and TCP has to send that again: between two containers more than 100,000 times within
 * four seconds. ovs-vswitchd sets no size for its sockets, so that they have the host's default of the moment at which
 * they are opened (socket(7), `rmem_default`).
 *
 * Noted in a file, and not with the other kernel settings in the switch's database: it comes before the switch, and goes
 * with the plugin instead of with the last network.
 */
export class ReceiveBuffer {
  constructor(
    private readonly sysctls: SysctlFiles,
    /** Durable: the host's value before, for as long as ours is in its place. */
    private readonly noteFile: string,
    private readonly log: Logger,
  ) {}

  /** Idempotent. A host's own value that is no less stays; so does one that cannot be changed, as in a nested namespace. */
  async enlarge(): Promise<void> {
    const before = await this.sysctls.read(SETTING)
    if (before === undefined || Number(before) >= Number(WANTED_BYTES)) return
    try {
      await writeFile(this.noteFile, before)
      await this.sysctls.write(SETTING, WANTED_BYTES)
      this.log.info('kernel setting changed', { setting: `net/${SETTING}`, before, now: WANTED_BYTES })
    } catch (error) {
      await rm(this.noteFile, { force: true })
      this.log.info('receive buffers of ovs-vswitchd stay small', { reason: reasonOf(error) })
    }
  }

  /** Idempotent. A value that somebody has set since stays. */
  async restore(): Promise<void> {
    const before = await readFile(this.noteFile, 'utf8').catch(() => undefined)
    if (before === undefined) return
    try {
      if ((await this.sysctls.read(SETTING)) === WANTED_BYTES) await this.sysctls.write(SETTING, before)
      await rm(this.noteFile)
    } catch (error) {
      this.log.warn('kernel setting not put back', { setting: `net/${SETTING}`, reason: reasonOf(error) })
    }
  }
}

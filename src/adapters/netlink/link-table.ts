import { neverAborts } from '../../clock'
import { Batcher } from '../batcher'
import type { LinkRow, LinkSettings, NewLink } from './link-messages'
import {
  creationRequests,
  decodeLink,
  deletionRequests,
  findRequest,
  listRequest,
  settingSteps,
} from './link-messages'
import type { NetlinkSocket } from './socket'
import { throwRefusal, unlessAborted } from './socket'

/** How often a list is asked for again where links came and went meanwhile. */
const LIST_ATTEMPTS = 3

/** The kernel's table of links, over rtnetlink: no process is spawned, which would take longer than the work. */
export class LinkTable {
  private readonly doomed = new Batcher<number, undefined>((indexes) => this.deleteTogether(indexes))

  constructor(
    private readonly socket: NetlinkSocket,
    /** Of its own: a deletion is a wait of about 15 ms in the kernel. */
    private readonly deletions: NetlinkSocket,
  ) {}

  /** Every link. Where links come and go meanwhile some may be missing: look again before anything is concluded. */
  async list(signal: AbortSignal): Promise<readonly LinkRow[]> {
    for (let attempt = 1; ; attempt += 1) {
      const answers = await this.socket.exchange([listRequest()], signal)
      throwRefusal(answers)
      const [answer] = answers
      if (answer?.interrupted === true && attempt < LIST_ATTEMPTS) continue
      return (answer?.objects ?? []).map(decodeLink)
    }
  }

  /** By name or index; `undefined` where there is none. */
  async find(which: { name: string } | { index: number }, signal: AbortSignal): Promise<LinkRow | undefined> {
    const [answer] = await this.socket.exchange([findRequest(which)], signal)
    if (answer?.error?.code === 'ENODEV') return undefined
    if (answer?.error !== undefined) throw answer.error
    const [found] = answer?.objects ?? []
    return found === undefined ? undefined : decodeLink(found)
  }

  /**
   * Makes a link, down; atomic together with its alias, whoever dies on the way. It is left in a group of its own.
   *
   * @throws NetlinkError `EEXIST` where its name, or its peer's, is taken.
   */
  async add(link: NewLink, signal: AbortSignal): Promise<void> {
    throwRefusal(await this.socket.exchange(creationRequests(link), signal))
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
    return unlessAborted(this.doomed.run(index), signal)
  }

  private async deleteTogether(indexes: readonly number[]): Promise<readonly undefined[]> {
    const answers = await this.deletions.exchange(deletionRequests(indexes), neverAborts())
    throwRefusal(answers.filter(({ error }) => error?.code !== 'ENODEV'))
    return indexes.map(() => undefined)
  }
}

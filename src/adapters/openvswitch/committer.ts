import { DriverError, reasonOf } from '../../errors'
import type { Operation, OvsdbClient } from '../ovsdb'
import { ConnectionLostError, isRetryable, NotConnectedError, op, TransactionError } from '../ovsdb'
import type { View } from './view'

/** One change to the database, independent of every other. */
export interface Change<T> {
  /** For messages: "could not <attempt>". */
  readonly attempt: string
  /**
   * The operations that make it so from what the replica shows now; none if it is so already. Called again, on a newer
   * replica, when a transaction did not go through.
   *
   * @param unique a name part for named-uuids that no other change of the transaction uses.
   */
  plan(unique: string): readonly Operation[]
  /**
   * Of ovs-vswitchd: `awaited`, it must have applied the change before that counts as done; `announced`, it tells when
   * it has (see {@link View.config}), for whoever waits later; `untold`, nobody does.
   */
  readonly switchWork: 'awaited' | 'announced' | 'untold'
  /** Reads the result, or throws where ovs-vswitchd could not do what the database now says. */
  result(): T
}

interface Waiting {
  readonly change: Change<unknown>
  readonly signal: AbortSignal
  readonly done: (committed: Committed) => void
  readonly failed: (error: unknown) => void
}

/** `nextConfig`: the count that `cur_cfg` must reach; undefined where there is nothing for ovs-vswitchd to apply. */
interface Committed {
  readonly nextConfig: number | undefined
}

/** ovs-vswitchd's own work grows with a transaction's size; a bound keeps one batch from starving the next. */
const BATCH_LIMIT = 64

/** How often a change is planned anew after another writer came in between. */
const ATTEMPTS = 4

const TRANSACTION_MS = 5_000

/**
 * Group commit: changes that wait at the same moment share one transaction, because ovs-vswitchd spends the most of its
 * time per transaction, not per port. If a shared transaction is refused, each change is run again alone, so that one
 * cannot fail another.
 */
export class Committer {
  private readonly queue: Waiting[] = []
  private running = false
  private serial = 0

  constructor(
    private readonly client: OvsdbClient,
    private readonly view: View,
    private readonly deadline: (ms: number) => AbortSignal,
  ) {}

  /** Resolves when the change is in the database and, where it awaits the switch, applied by ovs-vswitchd. */
  async commit<T>(change: Change<T>, signal: AbortSignal): Promise<T> {
    const { nextConfig } = await new Promise<Committed>((done, failed) => {
      this.queue.push({ change, signal, done, failed })
      void this.drain()
    })
    if (nextConfig !== undefined && change.switchWork === 'awaited')
      await this.applied(nextConfig, change.attempt, signal)
    return change.result()
  }

  private async applied(nextConfig: number, attempt: string, signal: AbortSignal): Promise<void> {
    try {
      await this.client.replica.waitUntil(() => this.view.config().applied >= nextConfig, signal)
    } catch (error) {
      throw DriverError.of('SWITCH_STALLED', [attempt], { cause: error })
    }
  }

  private async drain(): Promise<void> {
    if (this.running) return
    this.running = true
    try {
      // Whatever else asks in this turn of the event loop joins the batch.
      await Promise.resolve()
      while (this.queue.length > 0) await this.commitTogether(this.queue.splice(0, BATCH_LIMIT))
    } finally {
      this.running = false
    }
  }

  private async commitTogether(batch: readonly Waiting[]): Promise<void> {
    const planned = batch.flatMap((waiting) => this.plan(waiting) ?? [])
    if (planned.length === 0) return
    try {
      const nextConfig = await this.transact(planned)
      for (const { waiting } of planned) waiting.done({ nextConfig })
    } catch (error) {
      const [only] = planned
      if (planned.length === 1 && only !== undefined) await this.retry(only.waiting, error)
      else for (const { waiting } of planned) await this.commitAlone(waiting)
    }
  }

  private async commitAlone(waiting: Waiting, attempt = 1): Promise<void> {
    const planned = this.plan(waiting)
    if (planned === undefined) return
    try {
      waiting.done({ nextConfig: await this.transact([planned]) })
    } catch (error) {
      await this.retry(waiting, error, attempt)
    }
  }

  /** After a lost connection the outcome is unknown, so the change is planned anew from what the database then shows. */
  private async retry(waiting: Waiting, error: unknown, attempt = 1): Promise<void> {
    const mayPass =
      error instanceof ConnectionLostError || (error instanceof TransactionError && isRetryable(error))
    if (!mayPass || attempt >= ATTEMPTS) {
      waiting.failed(this.refusal(waiting.change, error))
      return
    }
    try {
      await this.client.waitSynchronised(AbortSignal.any([waiting.signal, this.deadline(TRANSACTION_MS)]))
    } catch {
      waiting.failed(this.refusal(waiting.change, error))
      return
    }
    await this.commitAlone(waiting, attempt + 1)
  }

  /** Settles what needs no transaction: a change that is abandoned, impossible, or in place already. */
  private plan(waiting: Waiting): { waiting: Waiting; operations: readonly Operation[] } | undefined {
    try {
      waiting.signal.throwIfAborted()
      if (!this.client.connected) throw new NotConnectedError('the connection to the database is down')
      this.serial += 1
      const operations = waiting.change.plan(`_${this.serial}`)
      if (operations.length > 0) return { waiting, operations }
      waiting.done({ nextConfig: undefined })
    } catch (error) {
      waiting.failed(error instanceof DriverError ? error : this.refusal(waiting.change, error))
    }
    return undefined
  }

  /** @returns the `next_cfg` that this transaction set. */
  private async transact(
    planned: readonly { readonly waiting: Waiting; readonly operations: readonly Operation[] }[],
  ): Promise<number | undefined> {
    const isCounted = planned.some(({ waiting }) => waiting.change.switchWork !== 'untold')
    const counting = isCounted
      ? [op.mutate('Open_vSwitch', [], [['next_cfg', '+=', 1]]), op.select('Open_vSwitch', [], ['next_cfg'])]
      : []
    const attempts = planned.map(({ waiting }) => waiting.change.attempt)
    const operations = [
      ...planned.flatMap(({ operations }) => operations),
      ...counting,
      op.comment(`dovesnap: ${attempts.join('; ')}`),
    ]
    const results = await this.client.transact(operations, this.deadline(TRANSACTION_MS))
    const nextConfig = results.at(-2)?.rows?.[0]?.['next_cfg']
    return isCounted && typeof nextConfig === 'number' ? nextConfig : undefined
  }

  private refusal(change: Change<unknown>, error: unknown): DriverError {
    return DriverError.of('SWITCH_REFUSED', [change.attempt, reasonOf(error)], { cause: error })
  }
}

import { DriverError, reasonOf } from '../../errors'
import { Batcher } from '../batcher'
import type { Operation, OvsdbClient } from '../ovsdb'
import { ConnectionLostError, isRetryable, NotConnectedError, op } from '../ovsdb'
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

interface Asked {
  readonly change: Change<unknown>
  readonly signal: AbortSignal
}

/** What a change shall do to the database; at least one operation. */
interface Planned {
  readonly asked: Asked
  readonly operations: readonly Operation[]
}

/** `nextConfig`: the count that `cur_cfg` must reach; undefined where there is nothing for ovs-vswitchd to apply. */
type Outcome = { readonly nextConfig: number | undefined } | { readonly failure: DriverError }

/** Changes. ovs-vswitchd's own work grows with a transaction's size; a bound keeps one batch from starving the next. */
const ROOM = { total: 64, sizeOf: (): number => 1 }

/** How often a change is planned anew after another writer came in between. */
const ATTEMPTS = 4

const TRANSACTION_MS = 5_000

/**
 * Group commit: changes that wait at the same moment share one transaction, because ovs-vswitchd spends the most of its
 * time per transaction, not per port. If a shared transaction is refused, each change is run again alone, so that one
 * cannot fail another.
 */
export class Committer {
  private readonly committing = new Batcher<Asked, Outcome>((batch) => this.commitTogether(batch), ROOM)
  private serial = 0

  constructor(
    private readonly client: OvsdbClient,
    private readonly view: View,
    private readonly deadline: (ms: number) => AbortSignal,
  ) {}

  /** Resolves when the change is in the database and, where it awaits the switch, applied by ovs-vswitchd. */
  async commit<T>(change: Change<T>, signal: AbortSignal): Promise<T> {
    const outcome = await this.committing.run({ change, signal })
    if ('failure' in outcome) throw outcome.failure
    if (outcome.nextConfig !== undefined && change.switchWork === 'awaited')
      await this.applied(outcome.nextConfig, change.attempt, signal)
    return change.result()
  }

  private async applied(nextConfig: number, attempt: string, signal: AbortSignal): Promise<void> {
    try {
      await this.client.replica.waitUntil(() => this.view.config().applied >= nextConfig, signal)
    } catch (error) {
      throw DriverError.of('SWITCH_STALLED', [attempt], { cause: error })
    }
  }

  private async commitTogether(batch: readonly Asked[]): Promise<readonly Outcome[]> {
    const plans = batch.map((asked) => this.plan(asked))
    const planned = plans.filter(isPlanned)
    try {
      const nextConfig = planned.length === 0 ? undefined : await this.transact(planned)
      return await eachOf(plans, () => ({ nextConfig }))
    } catch (error) {
      const isAnyones = planned.length > 1 && !mayPass(error)
      return eachOf(plans, ({ asked }) =>
        isAnyones ? this.commitAlone(asked, 1) : this.retry(asked, error, 1),
      )
    }
  }

  private async commitAlone(asked: Asked, attempt: number): Promise<Outcome> {
    const plan = this.plan(asked)
    if (!isPlanned(plan)) return plan
    try {
      return { nextConfig: await this.transact([plan]) }
    } catch (error) {
      return this.retry(asked, error, attempt)
    }
  }

  /** After a lost connection the outcome is unknown, so the change is planned anew from what the database then shows. */
  private async retry(asked: Asked, error: unknown, attempt: number): Promise<Outcome> {
    if (!mayPass(error) || attempt >= ATTEMPTS) return refusal(asked.change, error)
    try {
      await this.client.waitSynchronised(AbortSignal.any([asked.signal, this.deadline(TRANSACTION_MS)]))
    } catch {
      return refusal(asked.change, error)
    }
    return this.commitAlone(asked, attempt + 1)
  }

  /** The outcome at once of what needs no transaction: a change that is abandoned, impossible, or in place already. */
  private plan(asked: Asked): Planned | Outcome {
    try {
      asked.signal.throwIfAborted()
      if (!this.client.connected) throw new NotConnectedError('the connection to the database is down')
      this.serial += 1
      const operations = asked.change.plan(`_${this.serial}`)
      return operations.length > 0 ? { asked, operations } : { nextConfig: undefined }
    } catch (error) {
      return error instanceof DriverError ? { failure: error } : refusal(asked.change, error)
    }
  }

  /** @returns the `next_cfg` that this transaction set. */
  private async transact(planned: readonly Planned[]): Promise<number | undefined> {
    const isCounted = planned.some(({ asked }) => asked.change.switchWork !== 'untold')
    const counting = isCounted
      ? [op.mutate('Open_vSwitch', [], [['next_cfg', '+=', 1]]), op.select('Open_vSwitch', [], ['next_cfg'])]
      : []
    const attempts = planned.map(({ asked }) => asked.change.attempt)
    const operations = [
      ...planned.flatMap(({ operations }) => operations),
      ...counting,
      op.comment(`dovesnap: ${attempts.join('; ')}`),
    ]
    const results = await this.client.transact(operations, this.deadline(TRANSACTION_MS))
    const nextConfig = results.at(-2)?.rows?.[0]?.['next_cfg']
    return isCounted && typeof nextConfig === 'number' ? nextConfig : undefined
  }
}

/** Whether the same change may go through another time. */
const mayPass = (error: unknown): boolean => error instanceof ConnectionLostError || isRetryable(error)

const isPlanned = (plan: Planned | Outcome): plan is Planned => 'operations' in plan

/** What comes of each plan, one after the other; an outcome stays what it is. */
async function eachOf(
  plans: readonly (Planned | Outcome)[],
  outcomeOf: (planned: Planned) => Outcome | Promise<Outcome>,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const plan of plans) outcomes.push(isPlanned(plan) ? await outcomeOf(plan) : plan)
  return outcomes
}

const refusal = (change: Change<unknown>, error: unknown): Outcome => ({
  failure: DriverError.of('SWITCH_REFUSED', [change.attempt, reasonOf(error)], { cause: error }),
})

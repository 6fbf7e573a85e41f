import { failureOf } from '../errors'
import type { Logger } from '../log'
import type { Clock } from './clock'
import { shortId } from './names'

/** What may not end with the request that began it: taking back what it made. */
const UNDO_MS = 5_000

/** Takes back what a request made; `takeBack` has time of its own. What that cannot is told, and left to reconcile. */
export type Undo = (
  what: string,
  id: string,
  takeBack: (signal: AbortSignal) => Promise<void>,
) => Promise<void>

/** The user is told why the request failed, not the undo. */
export function createUndo(clock: Clock, log: Logger): Undo {
  return async (what, id, takeBack) => {
    const failure = await failureOf(takeBack(clock.deadline(UNDO_MS)))
    if (failure !== undefined) log.warn('undo failed', { [what]: shortId(id), reason: failure.message })
  }
}

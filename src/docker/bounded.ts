import type { ServerResponse } from 'node:http'
import { DriverError } from '../errors'
import { onClosed } from './on-closed'

/** The part of its time that a call has before its signal aborts: the rest is for undoing, and for saying why. */
const OWN_SHARE = 0.9

/**
 * Runs `work` for the request that `response` answers. Its signal aborts when nine tenths of `deadlineMs` have passed
 * or the engine hung up; whatever `work` does, the returned promise settles within `deadlineMs`, with `DEADLINE`
 * if `work` did not settle before. What `work` does later is nobody's any more.
 */
export async function bounded<Result>(
  response: ServerResponse,
  attempt: string,
  deadlineMs: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = DriverError.of('DEADLINE', [attempt, deadlineMs / 1000])
  const controller = new AbortController()
  const abort = setTimeout(() => {
    controller.abort(late)
  }, deadlineMs * OWN_SHARE)
  const hangUp = (): void => {
    controller.abort(new Error(`Docker hung up while waiting to ${attempt}`))
  }
  const stopListening = onClosed(response, hangUp)
  let giveUp: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    giveUp = setTimeout(() => {
      reject(late)
    }, deadlineMs)
  })
  try {
    return await Promise.race([work(controller.signal), deadline])
  } finally {
    clearTimeout(abort)
    clearTimeout(giveUp)
    stopListening()
  }
}

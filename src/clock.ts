import { performance } from 'node:perf_hooks'
import type { Clock as OvsdbClock } from './adapters/ovsdb'
import type { Clock as DriverClock } from './driver/clock'

/** The machine's time. None of its timers keeps the process alive. */
export function createSystemClock(): DriverClock & OvsdbClock {
  return {
    now: () => performance.now(),
    deadline,
    after: (ms, task) => {
      setTimeout(task, ms).unref()
    },
    repeat: (ms, task) => {
      const timer = setInterval(task, ms).unref()
      return () => {
        clearInterval(timer)
      }
    },
    setTimeout: (task, ms) => setTimeout(task, ms).unref(),
    clearTimeout: (handle) => {
      clearTimeout(handle as NodeJS.Timeout)
    },
  }
}

/**
 * As `AbortSignal.timeout`, but held by its timer: Node collects a timeout that is only a part of an `AbortSignal.any`,
 * and then it never comes.
 */
export function deadline(ms: number): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => {
    controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'))
  }, ms).unref()
  return controller.signal
}

/** For what goes on whoever gives up on it: a batch, whose other members wait for it still. */
export const neverAborts = (): AbortSignal => new AbortController().signal

import { performance } from 'node:perf_hooks'
import type { Clock as OvsdbClock } from './adapters/ovsdb'
import type { Clock as DriverClock } from './driver/clock'

/** The machine's time. None of its timers keeps the process alive. */
export function createSystemClock(): DriverClock & OvsdbClock {
  return {
    now: () => performance.now(),
    deadline: (ms) => AbortSignal.timeout(ms),
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

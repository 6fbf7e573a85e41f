import { reasonOf } from '../../errors'
import type { Logger } from '../../log'
import type { OvsdbEvent } from '../ovsdb'

/** @param isNews whether a lost connection is lost for another reason than the last time. */
export function logEvent(log: Logger, event: OvsdbEvent, isNews: boolean): void {
  switch (event.event) {
    case 'disconnected':
      log[isNews ? 'warn' : 'debug']('switch unavailable', { reason: event.reason.message })
      break
    case 'transaction': {
      const { operations, outcome, ms } = event
      log.debug('transaction', {
        operations,
        outcome: outcome instanceof Error ? outcome.message : outcome,
        ms,
      })
      break
    }
    case 'listener-failed':
      log.error('listener failed', { reason: reasonOf(event.error) })
      break
    case 'connecting':
    case 'connected':
    case 'synchronised':
      log.debug(event.event, {})
  }
}

import { beforeEach, describe, expect, it } from '@jest/globals'
import type { Clock } from './clock'
import { JoinGrace } from './join-grace'
import type { EndpointRecord } from './records'

let now: number
let due: number[]
const clock: Clock = {
  now: () => now,
  deadline: () => new AbortController().signal,
  after: (ms) => due.push(ms),
  repeat: () => () => undefined,
}

beforeEach(() => {
  now = 0
  due = []
})

const endpoint = (joined: boolean): EndpointRecord => ({
  id: 'e',
  networkId: 'n',
  hostLink: 'h',
  containerLink: 'c',
  macAddress: '02:00:00:00:00:01',
  options: {},
  joined,
  published: [],
  unpublishable: [],
})
const ignore = (): void => undefined

/** When the endpoint is overdue, in seconds from its first look; undefined: not within two minutes. */
function overdueAfter(grace: JoinGrace, joined: boolean, isLinkHere: boolean): number | undefined {
  for (let second = 0; second <= 120; second += 1) {
    now = second * 1000
    if (grace.isOverdue(endpoint(joined), isLinkHere, ignore)) return second
  }
  return undefined
}

describe('an endpoint without a container is overdue', () => {
  it.each([
    ['that this process found and nobody joined', false, false, 3],
    ['that this process made and nobody joined', true, false, 60],
    ['whose link Docker never moved, or moved back', false, true, 60],
  ])('%s', (_what, isOwnWork, joined, seconds) => {
    expect(overdueAfter(new JoinGrace(clock, () => isOwnWork), joined, true)).toBe(seconds)
    expect(due).toEqual([seconds * 1000 + 50])
  })

  it('never while a container holds the link, and anew once that let go of it', () => {
    const grace = new JoinGrace(clock, () => false)
    expect(overdueAfter(grace, true, false)).toBeUndefined()
    expect(due).toEqual([])
    now = 0
    expect(overdueAfter(grace, true, true)).toBe(60)
    expect(grace.isOverdue(endpoint(true), false, ignore)).toBe(false)
    now = 1000_000
    expect(grace.isOverdue(endpoint(true), true, ignore)).toBe(false)
  })
})

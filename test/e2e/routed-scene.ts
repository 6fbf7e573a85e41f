import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals'
import type { Enter } from '../fixtures/helper'
import { serve } from '../fixtures/traffic'
import type { TestHost } from './host/host'
import type { Snapshot } from './host/snapshot'
import { clear, startContainer } from './lab'
import type { Outside } from './outside'
import { addOutside, enterContainer } from './outside'

/** Options of `docker network create`. */
export const NAT = ['-o', 'ovs.bridge.mode=nat']
export const ROUTED = ['-o', 'ovs.bridge.mode=routed']
export const RED = ['--ipv6', '--subnet', '10.71.0.0/24', '--subnet', 'fd71::/64']
export const BLUE = ['--ipv6', '--subnet', '10.72.0.0/24', '--subnet', 'fd72::/64']

export interface RoutedScene {
  /** A machine outside that serves on port 80. */
  readonly outside: () => Outside
  /** Starts a container that serves on ports 80 and 53. */
  readonly startServer: (name: string, network: string, ...options: readonly string[]) => Promise<Enter>
  /** Serves, until the test ends. */
  readonly serveAt: (at: Enter, port: number) => Promise<void>
  /** The host as it is now is what it shall be again at the test's end. */
  readonly rebase: () => Promise<void>
}

/** Prepares the tests of a suite, and checks after each that the host is as it was before. */
export function routedScene(host: () => TestHost): RoutedScene {
  let outside: Outside | undefined
  let before: Snapshot
  let sysctls: string
  let stopOutside: () => void
  let stops: (() => void)[] = []

  const forwarding = async (): Promise<string> =>
    (await host().sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding')).stdout
  const rebase = async (): Promise<void> => {
    before = await host().snapshot()
  }
  const serveAt = async (at: Enter, port: number): Promise<void> => {
    stops.push(await serve(at, port))
  }

  beforeAll(async () => {
    outside = await addOutside(host())
    stopOutside = await serve(outside.enter, 80)
  })
  beforeEach(async () => {
    await rebase()
    sysctls = await forwarding()
  })
  afterEach(async () => {
    for (const stop of stops) stop()
    stops = []
    await clear(host())
    await host().expectUnchanged(before)
    expect(await forwarding()).toBe(sysctls)
  })
  afterAll(async () => {
    stopOutside()
    await outside?.remove()
  })

  return {
    outside: () => {
      if (outside === undefined) throw new Error('nobody is outside yet')
      return outside
    },
    startServer: async (name, network, ...options) => {
      await startContainer(host(), name, network, ...options)
      const enter = await enterContainer(host(), name)
      await serveAt(enter, 80)
      await serveAt(enter, 53)
      return enter
    },
    serveAt,
    rebase,
  }
}

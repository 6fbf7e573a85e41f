import { beforeAll, expect } from '@jest/globals'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask, serve } from '../fixtures/traffic'
import { eventually } from './host/command'
import type { TestHost } from './host/host'
import { createNetwork, reaches, startContainer } from './lab'
import type { Outside } from './outside'
import { addOutside, enterContainer, enterHost, HOST4, HOST6, OUTSIDE4, OUTSIDE6 } from './outside'
import { NAT, RED } from './routed-scene'

/** Whom each server sees, or nobody. */
export interface Answers {
  /** From one container of a flat network to another. */
  readonly flat: boolean
  /** The same in a nat network. */
  readonly neighbour: boolean
  /** From a container of the nat network to the machine outside, over IPv4 and IPv6. */
  readonly out: readonly (string | undefined)[]
  /** From the machine outside to the port that a container publishes, over both. */
  readonly published: readonly (string | undefined)[]
  /** From the host itself to the same port. */
  readonly relayed: string | undefined
}

/** Where all is well. */
export const ALL_ANSWER: Answers = {
  flat: true,
  neighbour: true,
  out: [HOST4, HOST6],
  published: [OUTSIDE4, OUTSIDE6],
  relayed: '10.71.0.1',
}

/** What a host without IPv6 has of it. */
export const IPV4_ANSWERS: Answers = {
  ...ALL_ANSWER,
  out: [HOST4, undefined],
  published: [OUTSIDE4, undefined],
}

/**
 * A flat network and the nat network `red`, each with two containers; `web` serves at port 8080 of the host.
 *
 * @returns the function that ends the servers.
 */
async function startNetworks(
  host: TestHost,
  outside: Outside,
  addresses: readonly string[] = RED,
): Promise<() => void> {
  await createNetwork(host, 'flat', '--subnet', '10.70.0.0/24')
  await startContainer(host, 'one', 'flat')
  await startContainer(host, 'two', 'flat', '--ip', '10.70.0.20')
  await createNetwork(host, 'red', ...NAT, ...addresses)
  await startContainer(host, 'web', 'red', '--ip', '10.71.0.10', '-p', '8080:80')
  await startContainer(host, 'client', 'red')
  const stops = [await serve(outside.enter, 80), await serve(await enterContainer(host, 'web'), 80)]
  return () => {
    for (const stop of stops) stop()
  }
}

/** Of {@link startNetworks}. By addresses alone: names are Docker's own business. */
export async function answers(host: TestHost, outside: Outside): Promise<Answers> {
  const web = await enterContainer(host, 'web')
  return {
    flat: await reaches(host, 'one', '10.70.0.20'),
    neighbour: await reaches(host, 'client', '10.71.0.10'),
    out: [await ask(web, 'tcp', OUTSIDE4, 80), await ask(web, 'tcp', OUTSIDE6, 80)],
    published: [await ask(outside.enter, 'tcp', HOST4, 8080), await ask(outside.enter, 'tcp', HOST6, 8080)],
    relayed: await ask(enterHost(host), 'tcp', '127.0.0.1', 8080),
  }
}

/** Runs a test with a flat network and the nat network `red`, whose container `web` serves at port 8080 of the host. */
export async function withNetworks(
  host: TestHost,
  outside: Outside,
  test: () => Promise<void>,
  addresses?: readonly string[],
): Promise<void> {
  const stop = await startNetworks(host, outside, addresses)
  try {
    await test()
  } finally {
    stop()
  }
}

/** The lines of a command that README gives to type. */
export async function fromReadme(command: RegExp): Promise<string> {
  const readme = await readFile(join(process.cwd(), 'README.md'), 'utf8')
  const lines = readme.split('\n').filter((line) => line.startsWith('    ') && command.test(line))
  if (lines.length === 0) throw new Error(`README has no ${String(command)}`)
  return lines.join('\n')
}

/** A machine outside for the tests of a scene, which goes with the host. */
export function withOutside(host: () => TestHost, hasIPv6 = true): () => Outside {
  let outside: Outside | undefined
  beforeAll(async () => {
    outside = await addOutside(host(), hasIPv6)
  })
  return () => {
    if (outside === undefined) throw new Error('nobody is outside yet')
    return outside
  }
}

export async function untilAllAnswer(host: TestHost, outside: Outside): Promise<void> {
  await eventually('all answer', async () => {
    expect(await answers(host, outside)).toEqual(ALL_ANSWER)
    return true
  })
}

/** How often the driver's log has a text so far. */
export async function timesLogged(host: TestHost, text: string): Promise<number> {
  return (await host.engineLog(10_000)).split(text).length - 1
}

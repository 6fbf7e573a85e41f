import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import type { PluginHost } from '../protocol/plugin-host'
import { makePluginHost } from '../protocol/plugin-host'
import { disagreements } from './model'
import { observe } from './observe'
import { seeded } from './random'
import { World } from './world'

const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const operations = Number(process.env['CHAOS_OPERATIONS'] ?? 300)
const CLIENTS = 4
const OPERATIONS_A_ROUND = 30
const FAULTS_A_ROUND = 3
const ROUNDS_A_WORD = 20
/** An endpoint that joined and whose link nobody took is given up after 60 s; a round may have just begun. */
const SETTLED_WITHIN_MS = 75_000

/** Far more than a round takes, on a machine that does much else. */
jest.setTimeout(Math.max(600_000, operations * 1_000))

let host: PluginHost

beforeAll(async () => {
  host = await makePluginHost({ diskMegabytes: 16 })
})

afterAll(async () => {
  await host.dispose()
})

async function round(world: World): Promise<void> {
  let left = OPERATIONS_A_ROUND
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await world.operate()
    }
  }
  const disturber = async (): Promise<void> => {
    for (let n = 0; n < FAULTS_A_ROUND; n += 1) {
      await sleep(200)
      await world.disturb()
    }
  }
  await Promise.all([...Array.from({ length: CLIENTS }, client), disturber()])
}

async function whatIsWrong(world: World): Promise<readonly string[]> {
  const end = Date.now() + SETTLED_WITHIN_MS
  for (;;) {
    let wrong: readonly string[]
    try {
      const differences = await world.settle()
      wrong = [
        ...disagreements(world, await observe(host)),
        ...differences.split('\n').filter((line) => line !== ''),
      ]
    } catch (error) {
      wrong = [String(error)]
    }
    if (wrong.length === 0 || Date.now() > end) return wrong
    await sleep(200)
  }
}

describe(`${operations} operations and faults at random, seed ${seed}`, () => {
  it('leave the host as Docker believes it to be after every round, and no request without its answer', async () => {
    const world = await World.make(host, seeded(seed))
    for (let done = 0; done < operations; done += OPERATIONS_A_ROUND) {
      await round(world)
      const wrong = await whatIsWrong(world)
      const late = world.log.filter((line) => line.startsWith('TOO LATE'))
      if (wrong.length > 0 || late.length > 0) {
        const replay = `CHAOS_SEED=${seed} CHAOS_OPERATIONS=${operations} make test-chaos`
        throw new Error(
          [`replay with ${replay}`, ...wrong, ...late, 'what happened last:', ...world.log.slice(-120)].join(
            '\n',
          ),
        )
      }
      if ((done / OPERATIONS_A_ROUND) % ROUNDS_A_WORD === ROUNDS_A_WORD - 1)
        process.stderr.write(`chaos: ${done + OPERATIONS_A_ROUND} of ${operations} operations\n`)
    }
    await world.decide()
    expect(await whatIsWrong(world)).toEqual([])
    // Or it would prove nothing.
    const succeeded = world.log.filter((line) => line.includes(': ok')).length
    expect(succeeded).toBeGreaterThan(operations / 2)
  })
})

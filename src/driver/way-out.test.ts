import { beforeEach, expect, it } from '@jest/globals'
import { DriverError } from '../errors'
import { createLogger } from '../log'
import type { FilteredNetwork } from './firewall'
import { WayOut } from './way-out'

const never = new AbortController().signal

let time: number
let blocked: string[]
let looks: number
let said: string[]
let wayOut: WayOut

beforeEach(() => {
  time = 0
  blocked = []
  looks = 0
  said = []
  wayOut = new WayOut(
    {
      blockades: (networks) => {
        looks += 1
        const links = networks.map(({ link }) => link).filter((link) => blocked.includes(link))
        return Promise.resolve(
          links.map((link) => ({ link, reason: DriverError.of('FIREWALLD_BLOCKS', [link]) })),
        )
      },
    },
    { now: () => time, deadline: () => never, after: () => undefined, repeat: () => () => undefined },
    createLogger({ level: 'info', output: { write: (line) => said.push(line) } }),
  )
})

const network = (link: string): FilteredNetwork => ({
  id: link,
  link,
  subnets: [],
  masquerade: true,
  internal: false,
  interContainer: true,
  published: [],
})

it('says a reason once, and again where it has been gone', async () => {
  blocked = ['br1']
  for (const at of [0, 20_000, 40_000]) {
    time = at
    await wayOut.look([network('br1'), network('br2')], never)
  }
  expect(said).toHaveLength(1)
  expect(said[0]).toContain('behind br1')
  for (const [at, links] of [
    [60_000, []],
    [80_000, ['br1']],
  ] as const) {
    time = at
    blocked = [...links]
    await wayOut.look([network('br1'), network('br2')], never)
  }
  expect(said).toHaveLength(2)
})

it('looks again at once where a network has come, and else after some time', async () => {
  await wayOut.look([network('br1')], never)
  time = 4_000
  await wayOut.look([network('br1')], never)
  expect(looks).toBe(1)
  await wayOut.look([network('br1'), network('br2')], never)
  expect(looks).toBe(2)
  time = 17_000
  await wayOut.look([network('br1'), network('br2')], never)
  expect(looks).toBe(3)
})

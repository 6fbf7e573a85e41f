import { createOvsdbClient, namedUuid, op, uuid } from '../../src/adapters/ovsdb'
import type { OvsdbClient } from '../../src/adapters/ovsdb'
import { createSystemClock } from '../../src/clock'
import type { Host } from '../integration/driver/fixture'
import { endpointRequest, makeHost, networkRequest, never } from '../integration/driver/fixture'
import type { Samples, Subject } from './measure'
import { interleave } from './measure'

const ROUNDS = 20
const CROWD = 1000
const AT_ONCE = 50

const nothing = (): Promise<void> => Promise.resolve()

/**
 * A container's whole life as the driver sees it (CreateEndpoint, Join, Leave, DeleteEndpoint), with one other port on the
 * switch and with a thousand, and beside it the least that it takes: a veth pair, its port, and the end of both.
 */
export async function cycles(): Promise<readonly Samples[]> {
  const host = await makeHost()
  try {
    const { driver } = await host.startProcess()
    const { networkId } = networkRequest()
    await driver.createNetwork({ ...networkRequest(), networkId, ipv4: [{ pool: '10.7.0.0/16' }] }, never)
    const bridge = `ovsbr-${networkId.slice(0, 5)}`
    let made = 0
    const attach = async (): Promise<ReturnType<typeof endpointRequest>> => {
      made += 1
      const request = endpointRequest(networkId, { ipv4Address: `10.7.${made >> 8}.${made & 255}/16` })
      await driver.createEndpoint(request, never)
      await driver.join(request, never)
      return request
    }
    const detach = async (request: ReturnType<typeof endpointRequest>): Promise<void> => {
      await driver.leave(request, never)
      await driver.deleteEndpoint(request, never)
    }
    const client = await connect(host)
    const subjects = (others: number): Readonly<Record<string, Subject>> => ({
      [`cycle_${others}`]: async () => {
        await detach(await attach())
        return nothing
      },
      [`floor_${others}`]: async () => {
        await leastCycle(host, client, bridge)
        return nothing
      },
    })
    await attach()
    const few = await interleave(ROUNDS, subjects(1))
    for (let n = 0; n < CROWD; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, attach))
    const many = await interleave(ROUNDS, {
      ...subjects(1000),
      parallel50_1000: async () => {
        const requests = await Promise.all(Array.from({ length: AT_ONCE }, attach))
        return async () => {
          await Promise.all(requests.map(detach))
        }
      },
      one_1000: async () => {
        const request = await attach()
        return () => detach(request)
      },
    })
    await client.close()
    return [...few, ...many]
  } finally {
    await host.dispose()
  }
}

async function connect({ ovs }: Host): Promise<OvsdbClient> {
  const client = createOvsdbClient({
    endpoint: { kind: 'unix', path: ovs.socketPath },
    database: 'Open_vSwitch',
    monitor: { Open_vSwitch: { columns: ['cur_cfg', 'next_cfg'] }, Port: { columns: ['name'], indexes: ['name'] } },
    clock: createSystemClock(),
    random: Math.random,
  })
  client.start()
  await client.waitSynchronised(never)
  return client
}

/** With one process for the pair's beginning and one for its end, and two transactions that ovs-vswitchd has applied. */
async function leastCycle({ netns }: Host, client: OvsdbClient, bridge: string): Promise<void> {
  const [name, peer] = ['floor0', 'floor1']
  const input = `link add name ${name} type veth peer name ${peer}\nlink set dev ${name} up\n`
  await netns.run('ip', ['-batch', '-'], { input, signal: never })
  await applied(client, [
    op.insert('Interface', { name }, 'floor_interface'),
    op.insert('Port', { name, interfaces: [namedUuid('floor_interface')] }, 'floor_port'),
    op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'insert', [namedUuid('floor_port')]]]),
  ])
  const [port] = client.replica.find('Port', 'name', name)
  await applied(client, [
    op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'delete', [uuid(port?.uuid ?? '')]]]),
  ])
  await netns.run('ip', ['link', 'delete', 'dev', name], { signal: never })
}

async function applied(client: OvsdbClient, operations: readonly ReturnType<typeof op.abort>[]): Promise<void> {
  const results = await client.transact(
    [
      ...operations,
      op.mutate('Open_vSwitch', [], [['next_cfg', '+=', 1]]),
      op.select('Open_vSwitch', [], ['next_cfg']),
    ],
    never,
  )
  const wanted = Number(results.at(-1)?.rows?.[0]?.['next_cfg'])
  await client.replica.waitUntil(
    (replica) => [...replica.rows('Open_vSwitch').values()].some((row) => Number(row['cur_cfg']) >= wanted),
    never,
  )
}

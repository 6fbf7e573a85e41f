import { LinkTable } from '../../src/adapters/netlink/link-table'
import type { OvsdbClient } from '../../src/adapters/ovsdb'
import { createOvsdbClient, namedUuid, op, uuid } from '../../src/adapters/ovsdb'
import { createSystemClock } from '../../src/clock'
import type { Host } from '../integration/driver/fixture'
import { never } from '../integration/driver/fixture'

/** The least that an endpoint's life takes: one connection to the database, and netlink. No record, no protocol. */
export interface Floor {
  /** A veth pair and its port, and the end of both, each applied by ovs-vswitchd before the next begins. */
  cycle(): Promise<void>
  /** Resolves when ovs-vswitchd has applied all that was asked for before. */
  settle(): Promise<void>
  close(): Promise<void>
}

export async function openFloor({ netns, ovs }: Host, bridge: string): Promise<Floor> {
  const client = createOvsdbClient({
    endpoint: { kind: 'unix', path: ovs.socketPath },
    database: 'Open_vSwitch',
    monitor: {
      Open_vSwitch: { columns: ['cur_cfg', 'next_cfg'] },
      Port: { columns: ['name'], indexes: ['name'] },
    },
    clock: createSystemClock(),
    random: Math.random,
  })
  client.start()
  await client.waitSynchronised(never)
  const links = new LinkTable(netns.netlink.route, netns.netlink.deletions)
  const [name, peer, macAddress, alias] = ['floor0', 'floor1', '02:00:00:00:00:01', 'floor']
  return {
    async cycle() {
      await links.add({ kind: 'veth', name, peer, mtu: 1500, macAddress, alias }, never)
      await links.set([{ name, up: true }], never)
      await applied(client, [
        op.insert('Interface', { name }, 'floor_interface'),
        op.insert('Port', { name, interfaces: [namedUuid('floor_interface')] }, 'floor_port'),
        op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'insert', [namedUuid('floor_port')]]]),
      ])
      const [port] = client.replica.find('Port', 'name', name)
      await applied(client, [
        op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'delete', [uuid(port?.uuid ?? '')]]]),
      ])
      const link = await links.find({ name }, never)
      if (link !== undefined) await links.remove(link.index, never)
    },
    settle: () => applied(client, []),
    close: () => client.close(),
  }
}

async function applied(
  client: OvsdbClient,
  operations: readonly ReturnType<typeof op.abort>[],
): Promise<void> {
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
    (replica) =>
      [...replica.rows('Open_vSwitch').values()].some((row) => Number(row['cur_cfg']) >= wanted),
    never,
  )
}

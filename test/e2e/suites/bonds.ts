import { afterEach, expect, it } from '@jest/globals'
import { eventually } from '../host/command'
import type { FarMachine } from '../far-machine'
import type { TestHost } from '../host/host'
import { asOptions, createNetwork, expectReach, reaches, startContainer, untilNothingDiffers } from '../lab'

const FAR = '192.0.2.9'

/** What both cables end at: a switch, or the other half of a link aggregation. */
const SWITCH = 'ip link add joined type bridge'
const AGGREGATE = 'ip link add joined type bond mode 802.3ad miimon 100 lacp_rate fast'

/** Two NICs as one. */
export function bonds(host: () => TestHost, far: () => FarMachine, datapath: string): void {
  const show = async (): Promise<string> => (await host().ovs('ovs-appctl', 'bond/show')).stdout

  /** Whether the bond uses a NIC. */
  async function isEnabled(nic: string): Promise<boolean> {
    return new RegExp(`^(member|slave) ${nic}: enabled`, 'm').test(await show())
  }

  async function untilEnabled(nic: string, expected: boolean): Promise<void> {
    await eventually(`${nic} is ${expected ? '' : 'not '}in use`, async () =>
      (await isEnabled(nic)) === expected ? true : undefined,
    )
  }

  afterEach(async () => {
    await far().sh('ip link delete joined; ip link set far2 up; ip link set far3 up')
  })

  it.each([
    ['active-backup', SWITCH, 'off'],
    ['balance-slb', SWITCH, 'off'],
    ['balance-tcp', AGGREGATE, 'negotiated'],
  ])('%s goes on with either NIC alone', async (mode, join, lacp) => {
    await far().sh(`
      ${join}
      for n in 2 3; do ip link set far$n down; ip link set far$n master joined; ip link set far$n up; done
      ip link set joined up
      ip address add ${FAR}/24 dev joined`)
    const subnet = ['--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.128/25', '--gateway', '192.0.2.1']
    const bond = asOptions(`ovs.bridge.bind_interface=bond:eth2+eth3/${mode}`, datapath)
    await createNetwork(host(), 'mynet', ...subnet, ...bond)
    await startContainer(host(), 'client', 'mynet')
    await untilEnabled('eth2', true)
    await untilEnabled('eth3', true)
    await expectReach(host(), 'client', FAR)
    expect(await show()).toMatch(new RegExp(`^bond_mode: ${mode}$`, 'm'))
    expect(await show()).toMatch(new RegExp(`^lacp_status: ${lacp}$`, 'm'))
    for (const n of [2, 3]) {
      await far().sh(`ip link set far${n} down`)
      await untilEnabled(`eth${n}`, false)
      await eventually('the other NIC carries all', async () =>
        (await reaches(host(), 'client', FAR)) ? true : undefined,
      )
      await far().sh(`ip link set far${n} up`)
      await untilEnabled(`eth${n}`, true)
    }
    await untilNothingDiffers(host())
  })
}

import { describe, expect, it } from '@jest/globals'
import type { Run } from '../process/run'
import { Conntrack } from './conntrack'
import { IptablesFirewall } from './iptables-firewall'

const never = new AbortController().signal

describe("where Docker's rules are in the legacy iptables", () => {
  const run: Run = () => Promise.resolve({ stdout: '', stderr: '' })
  const firewall = new IptablesFirewall(run, new Conntrack(run), () => Promise.resolve(true))

  it('a network is refused', async () => {
    const network = {
      id: 'a'.repeat(64),
      link: 'br1',
      subnets: [{ subnet: '10.1.0.0/24', gateway: '10.1.0.1/24' }],
      masquerade: true,
      internal: false,
      interContainer: true,
      published: [],
    }
    await expect(firewall.ensureNetwork(network, never)).rejects.toThrow('in the legacy iptables')
    await expect(firewall.reconcile([network], never)).rejects.toThrow('in the legacy iptables')
  })

  it('nothing is amiss without one, and what was made before goes', async () => {
    await expect(firewall.removeNetwork('a'.repeat(64), never)).resolves.toBeUndefined()
    await expect(firewall.reconcile([], never)).resolves.toEqual([])
    await expect(firewall.differences([], never)).resolves.toEqual([])
  })
})

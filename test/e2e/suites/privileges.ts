import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import type { TestHost } from '../host/host'

/** Bits of the kernel's capability sets (linux/capability.h). */
const bits = { dac_override: 1, setpcap: 8, net_bind_service: 10, net_admin: 12, net_raw: 13 } as const

/** The plugin's processes hold what SECURITY.md says, and cannot gain more. */
export function privileges(host: () => TestHost): void {
  describe('privileges', () => {
    it('are those of the table in SECURITY.md', async () => {
      const text = await readFile(join(process.cwd(), 'SECURITY.md'), 'utf8')
      const rows = [
        ...text.matchAll(/^\| `(\S+)`[^|]*\| ([a-z_, ]+) \| .*\|$|^\| `(ovsdb-server)` \| none \| \|$/gm),
      ]
      const told = rows.map(([, process, capabilities = '', bare]) => ({
        process: process ?? bare ?? '',
        capabilities:
          capabilities === 'none' || capabilities === '' ? [] : capabilities.split(', ').toSorted(),
      }))
      const held = []
      for (const { process } of told) held.push({ process, capabilities: await capabilitiesOf(process) })
      expect(told.map(({ process }) => process)).toEqual([
        'dovesnap-ovs',
        'node',
        'ovs-vswitchd',
        'ovsdb-server',
      ])
      expect(held).toEqual(told)
    })

    const capabilitiesOf = async (process: string): Promise<readonly string[]> => {
      const { stdout } = await host().sh(`cat /proc/$(pgrep -o -f '(^|/)${process}( |$)')/status`)
      const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(stdout)?.[1] ?? ''
      expect(field('NoNewPrivs')).toBe('1')
      const bound = BigInt(`0x${field('CapBnd')}`)
      expect(BigInt(`0x${field('CapEff')}`) & ~bound).toBe(0n)
      const names = Object.entries(bits).filter(([, bit]) => (bound >> BigInt(bit)) & 1n)
      expect(names.reduce((sum, [, bit]) => sum | (1n << BigInt(bit)), 0n)).toBe(bound)
      return names.map(([name]) => name).toSorted()
    }
  })
}

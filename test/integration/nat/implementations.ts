import { Conntrack } from '../../../src/adapters/nat/conntrack'
import { IptablesFirewall } from '../../../src/adapters/nat/iptables-firewall'
import { NftablesFirewall } from '../../../src/adapters/nat/nftables-firewall'
import type { Run } from '../../../src/adapters/process/run'
import type { Firewall, PublishedPort } from '../../../src/driver/firewall'

export const HOST4 = '192.0.2.1'
export const HOST6 = '2001:db8::1'
export const OUTSIDE4 = '192.0.2.9'
export const OUTSIDE6 = '2001:db8::9'

export const port = (more: Partial<PublishedPort> = {}): PublishedPort => ({
  protocol: 'tcp',
  hostPort: 8080,
  containerAddress: '10.1.0.2',
  containerPort: 80,
  ...more,
})

interface Implementation {
  readonly name: string
  readonly make: (run: Run) => Firewall
  /** Of the chain FORWARD of iptables. */
  readonly policy: 'DROP' | 'ACCEPT'
  /** What an administrator may do to the rules. */
  readonly faults: readonly (readonly [string, readonly string[]])[]
}

export const eachFamily = (...commands: readonly string[]): readonly string[] =>
  commands.flatMap((command) => [`iptables-nft ${command}`, `ip6tables-nft ${command}`])

export const implementations: readonly Implementation[] = [
  {
    name: 'iptables',
    make: (run) => new IptablesFirewall(run, new Conntrack(run), () => Promise.resolve(false)),
    policy: 'DROP',
    faults: [
      ['-F', eachFamily('-F')],
      ['-t nat -F', eachFamily('-t nat -F')],
      ['-F and -X of everything', eachFamily('-F', '-t nat -F', '-X', '-t nat -X')],
      ['a rule of somebody put before ours', eachFamily('-I FORWARD 2 -i lo -j RETURN')],
      ['a rule of ours deleted', eachFamily('-D DOVESNAP-INTO -o br1 -j DOVESNAP-IN-111111111111')],
      ['a rule of somebody in a chain of ours', eachFamily('-I DOVESNAP-IN-111111111111 -j DROP')],
      ['a jump of ours twice', eachFamily('-A FORWARD -j DOVESNAP-INTO')],
    ],
  },
  {
    name: 'nftables',
    make: (run) => new NftablesFirewall(run, new Conntrack(run)),
    policy: 'ACCEPT',
    faults: [
      ['flush ruleset', ['nft flush ruleset']],
      ['delete table', ['nft delete table inet dovesnap']],
      ['flush table', ['nft flush table inet dovesnap']],
      ['an element of ours deleted', ["nft 'delete element inet dovesnap any4 { tcp . 8080 }'"]],
      ['a rule of somebody in a chain of ours', ['nft insert rule inet dovesnap in-111111111111 drop']],
    ],
  },
]

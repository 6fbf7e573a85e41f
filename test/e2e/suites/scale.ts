import { describe, expect, it } from '@jest/globals'
import type { TestHost } from '../host/host'
import { bridgeOf, createNetwork } from '../lab'

const count = 50
const names = Array.from({ length: count }, (_, index) => `c${index + 1}`)

/** Packets that the switch took in, by port. */
function packetsIn(dumpPorts: string): ReadonlyMap<string, number> {
  const ports = dumpPorts.matchAll(/port\s+"?([^":\s]+)"?: rx pkts=(\d+)/g)
  return new Map([...ports].map(([, port = '', packets = '']) => [port, Number(packets)]))
}

/** Many at once. */
export function scale(host: () => TestHost): void {
  describe(`${count} containers started at once`, () => {
    it('all reach each other by name over the bridge, and over nothing else', async () => {
      const before = await host().snapshot()
      const bridge = await bridgeOf(host(), await createNetwork(host(), 'mynet'))
      const start = 'docker run -d --net mynet --name "$1" busybox:test sleep 3600 >/dev/null'
      await host().sh(`printf '%s\\n' ${names.join(' ')} | xargs -P ${count} -n 1 sh -c '${start}' start`, {
        timeoutMs: 180_000,
      })
      const counters = async (): Promise<ReadonlyMap<string, number>> =>
        packetsIn((await host().ovs('ovs-ofctl', '--names', 'dump-ports', bridge)).stdout)
      const ports = (await host().ovs('ovs-vsctl', 'list-ports', bridge)).stdout.trim().split('\n')
      expect(ports).toHaveLength(count)

      const first = await counters()
      const pids = (await host().docker('inspect', '-f', '{{.State.Pid}}', ...names)).stdout
        .trim()
        .split('\n')
      // In rounds, each container asking another in each. The kernel keeps the neighbours of all namespaces in one table,
      // of 1024 entries by default, and 50 times 49 do not go in: hence they forget each other now and then.
      const inEach = (command: (index: number) => string): string =>
        [...pids.map((pid, index) => `nsenter -t ${pid} ${command(index)} &`), 'wait', ''].join('\n')
      const meet = 'out=$(ping -c 1 -W 10 $1 2>&1) || echo "$0 lost $1: $out"'
      const rounds = names.slice(1).map((_, distance) => {
        const peer = (index: number): string => names[(index + distance + 1) % count] ?? ''
        const pings = inEach((index) => `-m -n sh -c '${meet}' ${names[index] ?? ''} ${peer(index)}`)
        return distance % 4 === 3 ? pings + inEach(() => '-n ip neigh flush dev eth0') : pings
      })
      const lost = await host().sh('sh -e', { stdin: rounds.join(''), timeoutMs: 180_000 })
      expect(lost.stdout).toBe('')
      const last = await counters()
      // Each asks 49 peers and answers 49; its own address it reaches without the switch.
      const idle = ports.filter((port) => (last.get(port) ?? 0) - (first.get(port) ?? 0) < 2 * (count - 1))
      expect(first.size).toBe(count + 1)
      expect(idle).toEqual([])

      const links = await host().sh(
        `for c in ${names.join(' ')}; do docker exec $c ls /sys/class/net | grep '^eth'; done`,
      )
      expect(links.stdout.trim().split('\n')).toEqual(names.map(() => 'eth0'))
      expect((await host().docker('network', 'ls', '-q', '-f', 'name=docker_gwbridge')).stdout).toBe('')

      await host().sh(`docker rm -f ${names.join(' ')} >/dev/null`, { timeoutMs: 180_000 })
      await host().docker('network', 'rm', 'mynet')
      await host().expectUnchanged(before, 30_000)
    }, 420_000)
  })
}

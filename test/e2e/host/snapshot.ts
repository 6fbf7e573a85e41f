/** What a host holds, one fact a line, each line once for every time it holds. */
export type Snapshot = readonly string[]

export interface SnapshotDiff {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** As multisets: two equal processes where there was one is a difference. */
export function diff(before: Snapshot, after: Snapshot): SnapshotDiff {
  return { added: without(after, before), removed: without(before, after) }
}

function without(lines: Snapshot, taken: Snapshot): readonly string[] {
  const left = new Map<string, number>()
  for (const line of taken) left.set(line, (left.get(line) ?? 0) + 1)
  return lines.filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}

/** What the kernel's tunnel modules put into every namespace when they are loaded. */
const FALLBACK_DEVICES = /^(gre|gretap|erspan|ip6gre|ip6tnl|tunl|sit)0$/

/** Links by name and MTU: the rest (indexes, peers, operational state) changes with what others do. */
export function linkFacts(ipOutput: string): Snapshot {
  return [...ipOutput.matchAll(/^\d+: ([^:@]+)(?:@\S+)?: .* mtu (\d+) /gm)]
    .filter(([, name = '']) => !FALLBACK_DEVICES.test(name))
    .map(([, name = '', mtu = '']) => `link ${name} mtu ${mtu}`)
}

/**
 * Processes by command line, of `ps -o stat=,pid=,ppid=,args=`; without those that took the snapshot, those that only
 * wait to be reaped, those that a process forked and that have not become another program yet, and the commands that the
 * driver runs at any time and that end by themselves.
 */
export function processFacts(psOutput: string): Snapshot {
  const processes = lines(psOutput).map((line) => {
    const [, stat = '', pid = '', ppid = '', command = ''] = /^(\S+) +(\d+) +(\d+) (.*)$/.exec(line) ?? []
    return { stat, pid, ppid, command }
  })
  const commands = new Map(processes.map(({ pid, command }) => [pid, command]))
  return (
    processes
      .filter(({ stat, command }) => !stat.startsWith('Z') && !/^(ps|sh|nsenter) /.test(command))
      .filter(({ ppid, command }) => commands.get(ppid) !== command)
      .filter(({ ppid }) => !/^node .*main\.cjs/.test(commands.get(ppid) ?? ''))
      // A plugin that is created again has another id.
      .map(({ command }) => `process ${command.replace(/ -id [0-9a-f]{64}/, '')}`)
  )
}

/**
 * Firewall rules without their counters, and without the empty chains of the kernel's hooks, which iptables makes when it
 * is first asked for a table and which change nothing.
 */
export function firewallFacts(nftOutput: string): Snapshot {
  const rules = nftOutput
    .replaceAll(/counter packets \d+ bytes \d+ ?/g, '')
    .replaceAll(/^\tchain \S+ \{\n\t\ttype [^\n]*policy accept;\n\t\}\n\n?/gm, '')
    .replaceAll(/^table \S+ \S+ \{\n\}\n/gm, '')
  return lines(rules).map((rule) => `firewall ${rule}`)
}

/** Rows of `ovs-vsctl --format=csv`, each external_ids key a fact of its own. */
export function switchFacts(kind: string, output: string): Snapshot {
  return lines(output).map((row) => `${kind} ${row}`)
}

function lines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

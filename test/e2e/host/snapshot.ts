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

/** Links by name and MTU: the rest (indexes, peers, operational state) changes with what others do. */
export function linkFacts(ipOutput: string): Snapshot {
  return [...ipOutput.matchAll(/^\d+: ([^:@]+)(?:@\S+)?: .* mtu (\d+) /gm)].map(
    ([, name = '', mtu = '']) => `link ${name} mtu ${mtu}`,
  )
}

/** Processes by state and command line, without those that took the snapshot and those that only wait to be reaped. */
export function processFacts(psOutput: string): Snapshot {
  return lines(psOutput)
    .filter((process) => !/^(Z\S*|\S+ +(ps|sh|nsenter)) /.test(process))
    .map((process) => `process ${process.replace(/^\S+ +/, '')}`)
}

/** Firewall rules without their counters. */
export function firewallFacts(nftOutput: string): Snapshot {
  return lines(nftOutput.replaceAll(/counter packets \d+ bytes \d+ ?/g, '')).map((rule) => `firewall ${rule}`)
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

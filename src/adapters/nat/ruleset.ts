/** A table's chains, each with its rules in the form of iptables-save, without `-A <chain>`. */
export type Table = ReadonlyMap<string, readonly string[]>

export type TableName = 'filter' | 'nat'

/** What iptables-save tells, as far as it is of interest: the tables that exist. */
export type Ruleset = Readonly<Record<TableName, Table>>

/** Reads the output of iptables-save. Counters and comments are left out, and so are other tables. */
export function parseRuleset(saved: string): Ruleset {
  const tables = new Map<string, Map<string, string[]>>()
  let current = new Map<string, string[]>()
  for (const line of saved.split('\n')) {
    const [, table] = /^\*(\S+)$/.exec(line) ?? []
    const [, chain] = /^:(\S+) /.exec(line) ?? []
    const [, owner, rule] = /^-A (\S+) (.*)$/.exec(line) ?? []
    if (table !== undefined) {
      current = new Map()
      tables.set(table, current)
    } else if (chain !== undefined) current.set(chain, [])
    else if (owner !== undefined && rule !== undefined) current.get(owner)?.push(rule)
  }
  return { filter: tables.get('filter') ?? new Map(), nat: tables.get('nat') ?? new Map() }
}

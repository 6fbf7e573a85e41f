import { readFile } from 'node:fs/promises'
import type { Run } from '../process/run'

/** Tells whether Docker's rules are in the tables of the legacy iptables. Never rejects. */
export type LegacyCheck = (signal: AbortSignal) => Promise<boolean>

/**
 * @param namesFile lists the legacy tables that exist (/proc/net/ip_tables_names). It is read first, because running the
 * legacy iptables makes the kernel create the tables that it looks at.
 */
export function createLegacyCheck(run: Run, namesFile: string): LegacyCheck {
  return async (signal) => {
    try {
      if ((await readFile(namesFile, 'utf8')).trim() === '') return false
      return /^:DOCKER[- ]/m.test((await run('iptables-legacy-save', [], { signal })).stdout)
    } catch {
      return false
    }
  }
}

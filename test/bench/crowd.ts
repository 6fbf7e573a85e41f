import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { damage, makeCrowd } from '../protocol/crowd'
import { makePluginHost } from '../protocol/plugin-host'
import type { Samples } from './measure'

const STARTS = 5
const RESTARTS = 3
const IDLE_MS = 10_000
/** The kernel's USER_HZ, in which it counts processes' time. */
const TICKS_A_SECOND = 100

/**
 * The driver's own process with 200 networks and 1000 endpoints: from its start until it listens, until all is as it
 * shall be after a tenth was damaged, and what it takes while nothing happens.
 */
export async function crowd(): Promise<readonly Samples[]> {
  const host = await makePluginHost()
  const samples: Samples[] = []
  try {
    const listening = async (): Promise<[Awaited<ReturnType<typeof host.startPlugin>>, number]> => {
      const start = performance.now()
      const plugin = await host.startPlugin()
      return [plugin, (performance.now() - start) / 1000]
    }
    const empty: number[] = []
    for (let n = 0; n <= STARTS; n += 1) {
      const [plugin, seconds] = await listening()
      if (n > 0) empty.push(seconds)
      await plugin.stop('SIGTERM')
    }
    samples.push({ name: 'start_to_listen', unit: 's', values: empty })

    let [plugin] = await listening()
    await makeCrowd(host, plugin.engine, { networks: 200, endpoints: 1000 })
    await host.until('the crowd is in place', async () => (await plugin.differences()) === '', 60)
    const [starts, reconciles]: [number[], number[]] = [[], []]
    for (let n = 0; n < RESTARTS; n += 1) {
      await plugin.stop('SIGKILL')
      await damage(host)
      const start = performance.now()
      let seconds: number
      ;[plugin, seconds] = await listening()
      starts.push(seconds)
      await host.until('no difference is left', async () => (await plugin.differences()) === '', 120)
      reconciles.push((performance.now() - start) / 1000)
    }
    samples.push({ name: 'start_to_listen_1000', unit: 's', values: starts })
    samples.push({ name: 'reconcile_1000', unit: 's', values: reconciles })

    const before = await ticks(plugin.pid)
    await sleep(IDLE_MS)
    const busy = ((await ticks(plugin.pid)) - before) / TICKS_A_SECOND / (IDLE_MS / 1000)
    samples.push({ name: 'idle_1000', unit: '%', values: [busy * 100] })
    samples.push({ name: 'rss_1000', unit: 'MB', values: [await residentMegabytes(plugin.pid)] })
    await plugin.stop('SIGTERM')
    return samples
  } finally {
    await host.dispose()
  }
}

/** User and system time (proc_pid_stat(5), fields 14 and 15). */
async function ticks(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

async function residentMegabytes(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1000
}

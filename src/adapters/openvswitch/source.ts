import { access, lstat, readFile, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import type { Endpoint } from '../ovsdb'
import { parseEndpoint } from '../ovsdb'

/** Which switch the driver works on. */
export type SwitchSource =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'host'; readonly endpoint: Endpoint; readonly name: string }

export type SwitchSetting = SwitchSource | { readonly kind: 'auto' }

export interface SourceOptions {
  readonly setting: SwitchSetting
  /** Where the plugin's settable mount `ovs` is seen. */
  readonly hostDirectory: string
  /** Keeps the choice that `auto` made. */
  readonly choiceFile: string
  /** Where a host's own database may listen, as `tcp:<address>:<port>`. */
  readonly hostTcp: string
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>
  readonly onWaiting: (what: string) => void
}

const CONNECT_MS = 500
const POLL_MS = 500

/**
 * Decides which switch to use. `auto` takes the host's socket in the mounted directory, else a database that answers on
 * the loopback port, else the embedded switch; what it took first is kept, so that a host's Open vSwitch that comes up
 * late at boot does not turn the plugin to the embedded one. Where the mount has been set (`ovs.source`), the embedded
 * switch is out of the question, and the host's socket is waited for.
 */
export async function resolveSource(options: SourceOptions): Promise<SwitchSource> {
  if (options.setting.kind !== 'auto') return options.setting
  if (await isMountSet(options.hostDirectory)) return hostSource(`unix:${await hostSocket(options)}`)
  const kept = await readChoice(options.choiceFile)
  if (kept !== undefined) return kept === 'embedded' ? { kind: 'embedded' } : hostSource(kept)
  const choice = (await answers(options.hostTcp)) ? options.hostTcp : 'embedded'
  await writeFile(options.choiceFile, `${choice}\n`)
  return choice === 'embedded' ? { kind: 'embedded' } : hostSource(choice)
}

function hostSource(name: string): SwitchSource {
  return { kind: 'host', endpoint: parseEndpoint(name), name }
}

/**
 * The mount's default source is /sys/class/net, which exists on every host and always has the loopback link's entry: a
 * symbolic link out of what is mounted, so it dangles.
 */
async function isMountSet(directory: string): Promise<boolean> {
  return (await exists(directory)) && !(await hasEntry(directory, 'lo'))
}

/** The mount may be /run or /run/openvswitch itself. */
async function hostSocket({ hostDirectory, sleep, onWaiting }: SourceOptions): Promise<string> {
  const candidates = [join(hostDirectory, 'openvswitch', 'db.sock'), join(hostDirectory, 'db.sock')]
  for (let round = 0; ; round += 1) {
    for (const path of candidates) if (await exists(path)) return path
    if (round === 0) onWaiting(candidates.join(' or '))
    await sleep(POLL_MS)
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function hasEntry(directory: string, name: string): Promise<boolean> {
  return lstat(join(directory, name)).then(
    () => true,
    () => false,
  )
}

async function readChoice(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch {
    return undefined
  }
}

function answers(name: string): Promise<boolean> {
  const endpoint = parseEndpoint(name)
  if (endpoint.kind !== 'tcp') return Promise.resolve(false)
  return new Promise((resolve) => {
    const socket = createConnection({ host: endpoint.host, port: endpoint.port, timeout: CONNECT_MS })
    const settle = (answer: boolean) => (): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', settle(true)).once('error', settle(false)).once('timeout', settle(false))
  })
}

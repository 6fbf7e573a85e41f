import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const initScript = join(process.cwd(), 'test/e2e/host/host-init.sh')

/** The namespaces of one host, and its init process. */
export interface Namespaces {
  /** The init process as the machine sees it; another one after each reboot. */
  readonly pid: number
  /** Starts a shell command as a child of the host's init, which lives until it ends or the host does. */
  start(command: string): void
  /** Ends every process without a warning, and starts the host again with what its disks hold. */
  reboot(): Promise<void>
  /** Ends every process of the host and removes its files and cgroups; the second call waits for the first. */
  stop(): Promise<void>
}

/**
 * Makes a host's namespaces over a root file system that stays as it is. They end with {@link Namespaces.stop} or with
 * this process, however it ends: the host's init reads from a pipe that only this process holds open.
 */
export async function startNamespaces(rootfs: string, name: string): Promise<Namespaces> {
  // On a disk: an engine's layers cannot lie on every file system. Detached, so that Ctrl-C reaches this process
  // alone and the guard can clean up behind it.
  const folder = join(process.env['E2E_RUN_DIR'] ?? '/var/tmp', 'dovesnap-e2e')
  const guard = spawn('unshare', ['--mount', 'bash', initScript, 'guard', folder, rootfs, name], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  let complaints = ''
  guard.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  guard.stdin.on('error', () => undefined)
  const exited = new Promise<void>((resolve, reject) => {
    guard.on('error', reject)
    guard.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`the guard of ${name} failed: ${complaints}`))
    })
  })
  exited.catch(() => undefined)
  const output = createInterface({ input: guard.stdout })
  const ready = async (): Promise<number> => {
    const line = once(output, 'line').then(([text]) => String(text))
    const ended = exited.then(() => 'its end')
    const pid = /^ready (\d+)$/.exec(await Promise.race([line, ended]))?.[1]
    if (pid === undefined) throw new Error(`${name} did not come up: ${complaints}`)
    return Number(pid)
  }
  let pid = await ready()
  return {
    get pid() {
      return pid
    },
    async reboot() {
      guard.stdin.write('reboot\n')
      pid = await ready()
    },
    start: (command) => {
      guard.stdin.write(`${command}\n`)
    },
    stop: () => {
      guard.stdin.end()
      return exited
    },
  }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'

/** What test/run.sh has built: the kernel and the system's disk. */
const [kernel = '', disk = ''] = (process.env['GUEST'] ?? '').split(' ')

jest.setTimeout(60_000)

let lane: string

beforeEach(async () => {
  lane = await mkdtemp(join(tmpdir(), 'guest-'))
})

afterEach(async () => {
  await rm(lane, { recursive: true })
})

interface Outcome {
  readonly code: number | null
  readonly console: string
  readonly reason: string
}

/** @param meanwhile called with the script's process once the task has said that it runs. */
async function boot(
  task: string,
  { seconds = 30, meanwhile }: { seconds?: number; meanwhile?: (pid: number) => unknown } = {},
): Promise<Outcome> {
  await writeFile(join(lane, 'task'), `echo the task runs\n${task}\n`)
  const child = spawn('bash', ['test/lab/guest.sh', '0', lane, kernel, disk], {
    env: { ...process.env, GUEST_SECONDS: String(seconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [said, reason] = ['', '']
  child.stderr.setEncoding('utf8').on('data', (text: string) => (reason += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const ran = said.includes('the task runs')
    said += text
    if (!ran && said.includes('the task runs') && child.pid !== undefined) void meanwhile?.(child.pid)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, console: said, reason }
}

/** Guests that are there now, by their folders and by the processes that name the folder of this one. */
async function left(): Promise<readonly string[]> {
  const processes = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return processes.filter((line) => line.includes(lane))
}

it("ends with its task's status, and sees the folder, the repository and the kernel's datapath", async () => {
  const task = 'cat /repository/package.json >/lane/copy; ovs-dpctl add-dp dp0 && ovs-dpctl dump-dps; exit 7'
  expect(await boot(task)).toMatchObject({
    code: 7,
    console: expect.stringContaining('system@dp0') as unknown,
  })
  expect(await readFile(join(lane, 'copy'), 'utf8')).toBe(await readFile('package.json', 'utf8'))
  expect(await boot('touch /repository/package.json')).toMatchObject({ code: 1 })
})

it.each([
  ['panics', 'echo c >/proc/sysrq-trigger', 'ended by itself before its task did'],
  ['powers itself off', 'busybox poweroff -f', 'ended by itself before its task did'],
  ['does not end', 'sleep 1000', 'did not end within 5 s'],
])('is one clear failure where it %s, and leaves nothing', async (_, task, reason) => {
  expect(await boot(task, { seconds: 5 })).toMatchObject({
    code: 125,
    reason: expect.stringContaining(reason) as unknown,
  })
  expect(await left()).toEqual([])
})

const folders = (): Promise<readonly string[]> => readdir('/var/tmp/dovesnap-guests')

it.each(['SIGTERM', 'SIGKILL'] as const)('goes with the script that runs it, at %s', async (signal) => {
  await boot('true')
  const before = await folders()
  await boot('sleep 1000', { meanwhile: (pid) => process.kill(pid, signal) })
  for (let n = 0; n < 50 && (await left()).length > 0; n += 1)
    await new Promise((wake) => setTimeout(wake, 100))
  expect(await left()).toEqual([])
  // What the script could not remove any more goes with the next guest.
  if (signal === 'SIGKILL') await boot('true')
  expect(await folders()).toEqual(before)
})

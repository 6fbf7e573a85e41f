import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from '@jest/globals'

const run = promisify(execFile)

let root: string
/** A line for each time that the entry was built. */
let log: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cache-'))
  log = join(root, 'log')
  await writeFile(log, '')
})

afterEach(async () => {
  await rm(root, { recursive: true })
})

const wrap = (build: string, recipe = 'flour') =>
  `set -euo pipefail; . rootfs-build/cache.sh; cached bread '${recipe}' bash -euc '${build}' build`

const bake = `echo built >>$LOG; echo crust >"$1/crust"; mkdir "$1/inner"; echo crumb >"$1/inner/crumb"`

const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  XDG_CACHE_HOME: root,
  LOG: log,
  ...more,
})

async function cached(build = bake, more: NodeJS.ProcessEnv = {}, recipe?: string): Promise<string> {
  const { stdout } = await run('bash', ['-c', wrap(build, recipe)], { env: environment(more) })
  return stdout.trim()
}

const times = async (): Promise<number> => (await readFile(log, 'utf8')).split('\n').length - 1

it('builds an entry once, and for another recipe another one', async () => {
  const entry = await cached()
  expect(await readFile(join(entry, 'inner', 'crumb'), 'utf8')).toBe('crumb\n')
  expect(await cached()).toBe(entry)
  expect(await times()).toBe(1)
  expect(await cached(bake, {}, 'rye')).not.toBe(entry)
  expect(await times()).toBe(2)
})

it('builds an entry once for all who ask at the same moment', async () => {
  const slow = `sleep 0.3; ${bake}`
  const entries = await Promise.all([cached(slow), cached(slow), cached(slow)])
  expect(new Set(entries).size).toBe(1)
  expect(await times()).toBe(1)
})

it('builds it anew where REFRESH asks for it', async () => {
  await cached()
  await cached(bake, { REFRESH: '1' })
  expect(await times()).toBe(2)
})

it.each([
  ['lost a file', (entry: string) => rm(join(entry, 'inner', 'crumb'))],
  ['has a file that was cut short', (entry: string) => writeFile(join(entry, 'crust'), '')],
  ['has a file more', (entry: string) => writeFile(join(entry, 'inner', 'mould'), '')],
  ['lost its list of contents', (entry: string) => rm(`${entry}.contents`)],
  ['has a damaged list of contents', (entry: string) => appendFile(`${entry}.contents`, 'x')],
])('builds anew an entry that %s', async (_, damage) => {
  const entry = await cached()
  await damage(entry)
  expect(await cached()).toBe(entry)
  expect(await times()).toBe(2)
  expect(await readFile(join(entry, 'inner', 'crumb'), 'utf8')).toBe('crumb\n')
})

it('keeps nothing of a build that fails, and says that it failed', async () => {
  await expect(cached(`${bake}; false; true`)).rejects.toMatchObject({ code: 1, stdout: '' })
  expect((await readdir(join(root, 'dovesnap'))).filter((name) => !name.endsWith('.lock'))).toEqual([])
  await cached()
})

it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'builds anew what %s interrupted, and keeps nothing of it',
  async (signal) => {
    const half = `echo half >"$1/crust"; echo ready; exec sleep 30`
    const child = spawn('bash', ['-c', wrap(half)], { env: environment(), detached: true })
    await once(child.stderr, 'data')
    process.kill(-(child.pid ?? 0), signal)
    await once(child, 'close')
    const entry = await cached()
    expect(await readFile(join(entry, 'crust'), 'utf8')).toBe('crust\n')
    const names = await readdir(join(root, 'dovesnap'))
    expect(names.filter((name) => name.includes('building'))).toEqual([])
  },
)

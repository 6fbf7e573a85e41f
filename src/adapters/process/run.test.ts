import { describe, expect, it } from '@jest/globals'
import { getEventListeners } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommandError } from './command-error'
import type { RunOptions } from './run'
import { createRun } from './run'

const never = new AbortController().signal
const run = createRun({ PATH: process.env['PATH'], LC_ALL: 'de_DE.UTF-8', MARK: 'of the environment' })
const shell = (script: string, options: Partial<RunOptions> = {}, ...args: readonly string[]) =>
  run('sh', ['-c', script, ...args], { signal: never, ...options })

async function failure(work: Promise<unknown>): Promise<CommandError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(CommandError)
  return error as CommandError
}

/** Commands print the id of their shell and `exec` what waits, which so has the same. */
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('run', () => {
  it('gives what the command wrote, apart and undamaged', async () => {
    const text = 'ä€😀'.repeat(50_000)
    const read = await shell('cat; echo more >&2', { input: text })
    expect(read.stdout === text && read.stderr === 'more\n').toBe(true)
    const passed = await shell('cat >&2', { input: text })
    expect(passed.stderr === text && passed.stdout === '').toBe(true)
  })

  it('closes the input when none is given', async () => {
    expect(await shell('cat; echo done')).toEqual({ stdout: 'done\n', stderr: '' })
  })

  it('passes the environment, with error texts in English', async () => {
    expect((await shell('echo $MARK $LC_ALL')).stdout).toBe('of the environment C\n')
  })

  it('passes arguments as they are', async () => {
    const { stdout } = await run('printf', ['%s\\n', '$HOME; echo', ''], { signal: never })
    expect(stdout).toBe('$HOME; echo\n\n')
  })

  it('tells of a command that failed', async () => {
    const error = await failure(shell('echo out; echo no such thing >&2; exit 3'))
    expect(error).toMatchObject({ exitCode: 3, stdout: 'out\n', stderr: 'no such thing\n' })
    expect(error.message).toBe('sh -c echo out; echo no such thing >&2; exit 3: exit code 3: no such thing')
  })

  it('tells of a command that something else killed', async () => {
    const error = await failure(shell('kill -TERM $$'))
    expect(error.message).toContain('killed by SIGTERM')
    expect(error.exitCode).toBeUndefined()
  })

  it('tells of a command that is not there', async () => {
    const error = await failure(run('/nonexistent/tool', ['-x'], { signal: never, input: 'x' }))
    expect(error.message).toContain('/nonexistent/tool -x: could not be started')
    expect(error.cause).toMatchObject({ code: 'ENOENT' })
  })

  it('judges a command that leaves its input unread by its exit code', async () => {
    const input = 'x'.repeat(1_000_000)
    expect(await shell('echo done', { input })).toMatchObject({ stdout: 'done\n' })
    expect(await failure(shell('exit 4', { input }))).toMatchObject({ exitCode: 4 })
  })

  it('kills at the timeout', async () => {
    const error = await failure(shell('echo $$; exec sleep 30', { timeoutMs: 300 }))
    expect(error.message).toContain('not done after 300 ms')
    expect(isRunning(Number(error.stdout))).toBe(false)
  })

  it('kills a command that writes more than it may', async () => {
    const error = await failure(shell('echo $$ >&2; exec yes', { maxOutputBytes: 100_000 }))
    expect(error.message).toContain('more than 100000 bytes')
    expect(error.stdout.length).toBeLessThanOrEqual(100_000)
    expect(isRunning(Number(error.stderr))).toBe(false)
  })

  it('kills when the caller gives up, and rejects with the reason of that', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'run-test-'))
    const pidFile = join(dir, 'pid')
    const controller = new AbortController()
    const reason = new Error('given up')
    const work = shell('echo $$ > "$0"; exec sleep 30', { signal: controller.signal }, pidFile)
    try {
      let pid = ''
      while (!pid.endsWith('\n')) pid = await readFile(pidFile, 'utf8').catch(() => '')
      controller.abort(reason)
      await expect(work).rejects.toBe(reason)
      expect(isRunning(Number(pid))).toBe(false)
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  it('starts nothing for a caller that gave up before', async () => {
    const reason = new Error('given up')
    await expect(shell('exit 5', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('does not wait for a descendant that keeps the output open', async () => {
    const error = await failure(shell('sleep 30 & echo $!; exec sleep 30', { timeoutMs: 300 }))
    const descendant = Number(error.stdout)
    expect(isRunning(descendant)).toBe(true)
    process.kill(descendant, 'SIGKILL')
  })

  it.each(['exit 0', 'exit 1'])('leaves nothing behind on the signal after %s', async (script) => {
    const { signal } = new AbortController()
    await shell(script, { signal }).catch(() => undefined)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

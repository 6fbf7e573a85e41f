import { spawn } from 'node:child_process'

/** How many times longer everything may take: a guest in software emulation is slow at all it does. */
export const slowness = Number(process.env['E2E_SLOWNESS'] ?? 1)

export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** A command that was to succeed and did not. */
export class CommandError extends Error {
  override readonly name = 'CommandError'

  constructor(
    readonly command: readonly string[],
    readonly result: CommandResult,
  ) {
    super(`${command.join(' ')}: exit ${result.code}\n${result.stderr}${result.stdout}`.trimEnd())
  }
}

export interface RunOptions {
  readonly stdin?: string
  /** The command is killed and fails after this long. */
  readonly timeoutMs?: number
}

/**
 * Runs a command to its end and gives what it said, whatever its exit code; -1 stands for a command that did not
 * exit by itself. Rejects only if the command cannot be started.
 */
export function tryRun(
  command: readonly [string, ...string[]],
  { stdin, timeoutMs = 120_000 }: RunOptions = {},
): Promise<CommandResult> {
  const [file, ...args] = command
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs * slowness,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal !== null) stderr += `killed by ${signal}\n`
      resolve({ stdout, stderr, code: code ?? -1 })
    })
    // A command may exit without reading all of its input.
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin ?? '')
  })
}

/**
 * Asks again every tenth of a second until the answer is not undefined; rejects, with what was waited for and the
 * last failure, at the deadline.
 */
export async function eventually<T>(
  what: string,
  attempt: () => Promise<T | undefined>,
  deadlineMs = 15_000,
): Promise<T> {
  const end = Date.now() + deadlineMs * slowness
  let failure: unknown
  do {
    try {
      const answer = await attempt()
      if (answer !== undefined) return answer
    } catch (error) {
      failure = error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  } while (Date.now() < end)
  throw new Error(`not within ${deadlineMs * slowness} ms: ${what}`, { cause: failure })
}

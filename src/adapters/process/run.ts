import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { CommandError } from './command-error'

const DEFAULT_TIMEOUT_MS = 10_000
const DEFAULT_MAX_OUTPUT_BYTES = 32 * 1024 * 1024

/**
 * How long a killed process may take to end. One that waits for a lock in the kernel ends only once it has the lock,
 * and the caller's deadline must not wait for that.
 */
const KILL_GRACE_MS = 1_000

export interface RunOptions {
  /** Written to the command's standard input, which is then closed. Default: empty. */
  readonly input?: string
  readonly signal: AbortSignal
  /** Default 10000. */
  readonly timeoutMs?: number
  /** Of standard output and standard error each. Default 32 MiB. */
  readonly maxOutputBytes?: number
}

export interface CommandOutput {
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a command without a shell and resolves once it has exited with code 0. The process is killed (SIGKILL) at the
 * timeout, when `signal` aborts, or when it writes more than it may; what it did until then stays done.
 *
 * @throws CommandError where the command could not be started, failed, or was killed for its time or output.
 * @throws whatever `signal.reason` is, where `signal` aborted; no later than a second afterwards.
 */
export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<CommandOutput>

/**
 * @param environment of every command. The locale is set to C whatever it says: callers read the texts of errors.
 */
export function createRun(environment: NodeJS.ProcessEnv): Run {
  const env = { ...environment, LC_ALL: 'C' }
  return (command, args, options) => {
    if (options.signal.aborted) return Promise.reject(asError(options.signal.reason))
    return complete(spawn(command, args, { env }), [command, ...args], options)
  }
}

function complete(
  child: ChildProcessWithoutNullStreams,
  commandLine: readonly string[],
  options: RunOptions,
): Promise<CommandOutput> {
  const {
    input = '',
    signal,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES,
  } = options
  return new Promise((resolve, reject) => {
    /** Why the command did not end by itself; given once it has, with all that it wrote. */
    let failure: ((output: CommandOutput) => Error) | undefined
    let graceTimer: NodeJS.Timeout | undefined

    const settle = (code: number | null, killedBy: NodeJS.Signals | null): void => {
      clearTimeout(timer)
      clearTimeout(graceTimer)
      signal.removeEventListener('abort', onAbort)
      const output = { stdout: stdout(), stderr: stderr() }
      if (failure !== undefined) reject(failure(output))
      else if (code === 0) resolve(output)
      else if (code === null) reject(new CommandError(commandLine, `killed by ${String(killedBy)}`, output))
      else reject(new CommandError(commandLine, `exit code ${code}`, { ...output, exitCode: code }))
    }
    const kill = (why: (output: CommandOutput) => Error): void => {
      failure ??= why
      child.kill('SIGKILL')
      graceTimer ??= setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
        settle(null, 'SIGKILL')
      }, KILL_GRACE_MS)
    }
    const onAbort = (): void => {
      kill(() => asError(signal.reason))
    }
    const onOverflow = (): void => {
      kill((output) => new CommandError(commandLine, `more than ${maxOutputBytes} bytes of output`, output))
    }
    const timer = setTimeout(() => {
      kill((output) => new CommandError(commandLine, `not done after ${timeoutMs} ms`, output))
    }, timeoutMs)
    const stdout = collect(child.stdout, maxOutputBytes, onOverflow)
    const stderr = collect(child.stderr, maxOutputBytes, onOverflow)

    // One deadline may bound any number of commands at a time, which Node would take for a leak.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', onAbort)
    child.once('error', (cause) => {
      failure ??= () => new CommandError(commandLine, `could not be started (${cause.message})`, { cause })
    })
    child.once('close', settle)
    // A command that ends before it has read everything breaks the pipe; its exit code tells whether that is an error.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/** Keeps what a stream brings, up to `limit` bytes; the returned function gives it as text. */
function collect(stream: NodeJS.ReadableStream, limit: number, onOverflow: () => void): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= limit) chunks.push(chunk)
    else onOverflow()
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

const MAX_QUOTED_STDERR = 500

export interface CommandErrorDetails extends ErrorOptions {
  readonly stdout?: string
  readonly stderr?: string
  readonly exitCode?: number
}

/** A command that did not do its work. The message carries the command line, the reason and the start of stderr. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly stdout: string
  readonly stderr: string
  /** `undefined` where the command was not started or was killed. */
  readonly exitCode: number | undefined

  constructor(
    readonly commandLine: readonly string[],
    reason: string,
    details: CommandErrorDetails = {},
  ) {
    const { stdout = '', stderr = '', exitCode, ...options } = details
    const quoted = stderr.trim().slice(0, MAX_QUOTED_STDERR)
    super(`${commandLine.join(' ')}: ${reason}${quoted === '' ? '' : `: ${quoted}`}`, options)
    this.stdout = stdout
    this.stderr = stderr
    this.exitCode = exitCode
  }
}

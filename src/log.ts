/** From the chattiest to the gravest; a logger writes its own level and the graver ones. */
const levels = ['debug', 'info', 'warn', 'error'] as const

export type LogLevel = (typeof levels)[number]

/** Plain JSON values; `undefined` ones are left out of the line. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that writes `fields` on every line; a line's own field of the same name wins. */
  child(fields: LogFields): Logger
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** Gets one whole line, with its newline, at a time. */
  readonly output: { write(line: string): unknown }
  /** Default: the machine's time. */
  readonly now?: () => Date
}

// dockerd reads a plugin's output in pieces of 16 KiB and makes a log entry of each: a longer line would be torn.
const MAX_LINE_BYTES = 16 * 1024 - 1

/** A logger of JSON lines `{"time","level","msg",…fields}`, each under 16 KiB: what is too long for that is cut. */
export function createLogger(options: LoggerOptions, inherited: LogFields = {}): Logger {
  const { level: threshold, output, now = () => new Date() } = options
  const writer =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (levels.indexOf(level) < levels.indexOf(threshold)) return
      // Twice: first for the order in the line, last so that no field takes their place.
      const head = { time: now().toISOString(), level, msg: message }
      output.write(`${fitted({ ...head, ...inherited, ...fields, ...head })}\n`)
    }
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    child: (fields) => createLogger(options, { ...inherited, ...fields }),
  }
}

function fitted(fields: LogFields): string {
  let line = JSON.stringify(fields)
  for (
    let longest = MAX_LINE_BYTES;
    Buffer.byteLength(line) >= MAX_LINE_BYTES && longest > 0;
    longest >>= 1
  ) {
    const shortened = Object.entries(fields).map(([key, value]) => [key, cut(value, longest)])
    line = JSON.stringify(Object.fromEntries(shortened))
  }
  return line
}

function cut(value: unknown, longest: number): unknown {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) as string | undefined)
  return text === undefined || text.length <= longest ? value : `${text.slice(0, longest)}…`
}

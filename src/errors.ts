/**
 * Every error a user may meet, in one table: what was attempted on what, why it failed, and what to do. README lists
 * them verbatim.
 */
const messages = {
  BAD_REQUEST: (reason: string) => `bad request: ${reason}`,
  OPTION_UNKNOWN: (key: string, hint: string) => `unknown option ${key}${hint}`,
  OPTION_INVALID: (key: string, value: string, allowed: string) =>
    `option ${key}=${value} is not valid: ${allowed}`,
} as const

type Messages = typeof messages

export type ErrorCode = keyof Messages

/** An error whose message is meant for the user who typed the command. */
export class DriverError extends Error {
  override readonly name = 'DriverError'

  private constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }

  static of<Code extends ErrorCode>(
    code: Code,
    details: Parameters<Messages[Code]>,
    options?: ErrorOptions,
  ): DriverError {
    const render = messages[code] as (...args: Parameters<Messages[Code]>) => string
    return new DriverError(code, render(...details), options)
  }
}

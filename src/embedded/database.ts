import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DriverError } from '../errors'
import type { Logger } from '../log'
import { CommandError } from '../adapters/process/command-error'
import type { Run } from '../adapters/process/run'

export interface DatabaseOptions {
  readonly path: string
  /** Of the Open vSwitch release in this bundle. */
  readonly schema: string
  readonly run: Run
  readonly log: Logger
}

/**
 * Makes the embedded switch's database ready for the release of ovsdb-server in this bundle. Idempotent; only while no
 * server has the file open. A database of an older schema is converted, with a copy beside it; one with a damaged
 * record is copied before ovsdb-server cuts it off at the damage.
 *
 * @throws DriverError `DATABASE_UNUSABLE`
 */
export async function prepareDatabase(options: DatabaseOptions, signal: AbortSignal): Promise<void> {
  const { path, schema, run } = options
  try {
    if (!(await isFile(path))) {
      await createDatabase(options, signal)
      return
    }
    const version = (await run('ovsdb-tool', ['db-version', path], { signal })).stdout.trim()
    await keepCopyOfDamaged(options, signal)
    const { stdout } = await run('ovsdb-tool', ['needs-conversion', path, schema], { signal })
    if (stdout.trim() === 'yes') await convert(options, version, signal)
  } catch (error) {
    const reason = error instanceof CommandError ? error.stderr.trim() : String(error)
    throw DriverError.of('DATABASE_UNUSABLE', [path, reason], { cause: error })
  }
}

/** Under another name first: a crash in between leaves no half-written database behind. */
async function createDatabase({ path, schema, run }: DatabaseOptions, signal: AbortSignal): Promise<void> {
  const unfinished = `${path}.new`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await rm(unfinished, { force: true })
  await run('ovsdb-tool', ['create', unfinished, schema], { signal })
  await rename(unfinished, path)
}

async function convert(options: DatabaseOptions, version: string, signal: AbortSignal): Promise<void> {
  const { path, schema, run, log } = options
  const backup = `${path}.schema-${version}`
  const converted = `${path}.new`
  await copyFile(path, backup)
  await rm(converted, { force: true })
  await run('ovsdb-tool', ['convert', path, schema, converted], { signal })
  await rename(converted, path)
  log.info('switch database converted', { path, from: version, backup })
}

/**
 * ovsdb-server reads a database up to the first damaged record and truncates it there. A power failure leaves such a
 * last record, and then nothing is lost by it; after any other damage the copy is what remains of the rest.
 */
async function keepCopyOfDamaged(options: DatabaseOptions, signal: AbortSignal): Promise<void> {
  const { path, run, log } = options
  try {
    await run('ovsdb-tool', ['show-log', path], { signal })
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    const copy = `${path}.damaged`
    await copyFile(path, copy)
    log.error('switch database is damaged: what follows the damage is dropped', {
      path,
      copy,
      reason: error.stderr.trim(),
    })
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

import { spawn } from 'node:child_process'
import { join } from 'node:path'

const engines = ['20.10', '26.1', '28.5'] as const

/** A release of the Docker Engine, as its first two numbers. */
export type Engine = (typeof engines)[number]

function isEngine(text: string): text is Engine {
  return engines.some((engine) => engine === text)
}

/**
 * The folder of an engine's root file system, built first if need be (half a minute; progress goes to standard
 * error). Processes that ask for the same one wait for each other. Where there is one already, as on a disk of a guest's,
 * ENGINE_ROOTFS names it.
 */
export function engineRootfs(engine: Engine): Promise<string> {
  const given = process.env['ENGINE_ROOTFS']
  if (given !== undefined) return Promise.resolve(given)
  const script = join(process.cwd(), 'test/lab/engine.sh')
  const child = spawn('bash', [script, engine], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let folder = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (folder += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(folder.trim())
      else reject(new Error(`no root file system for engine ${engine}`))
    })
  })
}

/** The engines of this run: those that ENGINE names, separated by commas or blanks; all of them by default. */
export function chosenEngines(choice = process.env['ENGINE'] ?? ''): readonly Engine[] {
  const names = choice.split(/[\s,]+/).filter((name) => name !== '')
  for (const name of names) {
    if (!isEngine(name)) throw new Error(`ENGINE=${name}: choose from ${engines.join(', ')}`)
  }
  return names.length === 0 ? engines : names.filter(isEngine)
}

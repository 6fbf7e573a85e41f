// Runs test files in guests, one guest for each file and one at a time on each of two processors, the longest first:
//   share-out.mjs <results folder> <kernel|datapath> <processors> <bundle> <kernel> <system's disk> <engine>=<its disk>...
// F and T choose by parts of files' and tests' names. What jest says of a file is left in
// the folder as <scope>-<file>-<engine>.json; for a guest that ends without an answer it says that the file did not run.
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { guestTests } from './plan.mjs'

/** As jest counts a file that did not run at all. */
const NO_ANSWER = JSON.stringify({
  numPassedTests: 0,
  numFailedTests: 0,
  numRuntimeErrorTestSuites: 1,
  testResults: [],
})

const [results = '', scope = '', processors = '', bundle = '', kernel = '', system = '', ...pairs] =
  process.argv.slice(2)
const engineDisks = new Map(pairs.map((pair) => pair.split('=')))
const queue = guestTests(scope, [...engineDisks.keys()], { file: process.env.F, test: process.env.T })
const total = queue.length
const running = new Set()
let isStopping = false

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    isStopping = true
    for (const guest of running) guest.kill('SIGTERM')
  })
}

function task({ engine, arguments: words }) {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  return `export ENGINE=${engine} ENGINE_ROOTFS=/engine BUNDLE=/repository/${bundle} E2E_SLOWNESS=5
exec node node_modules/.bin/jest --runInBand --testTimeout=120000 --json --outputFile=/lane/results.json \\
  --reporters=./test/e2e/progress-reporter.mjs ${quoted} >/dev/null
`
}

/** Resolves when the guest has ended, however it did. */
async function run(test, processor) {
  const lane = mkdtempSync(join(results, 'lane-'))
  const start = Date.now()
  const say = (line) => process.stderr.write(`[${processor}] ${line}\n`)
  say(`${test.name}: begins, ${total - queue.length} of ${total}`)
  try {
    writeFileSync(join(lane, 'task'), task(test))
    const machine = [String(processor), lane, kernel, system, engineDisks.get(test.engine)]
    const guest = spawn('bash', ['test/lab/guest.sh', ...machine], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GUEST_SECONDS: '2400' },
    })
    running.add(guest)
    for (const stream of [guest.stdout, guest.stderr]) createInterface({ input: stream }).on('line', say)
    const code = await new Promise((resolve) => guest.on('close', resolve))
    running.delete(guest)
    const answer = join(lane, 'results.json')
    const kept = join(results, `${scope}-${test.name}.json`)
    if (existsSync(answer)) copyFileSync(answer, kept)
    else writeFileSync(kept, NO_ANSWER)
    say(`${test.name}: ends after ${Math.round((Date.now() - start) / 1000)} s, status ${code}`)
  } finally {
    rmSync(lane, { recursive: true, force: true })
  }
}

async function work(processor) {
  for (let test = queue.shift(); test !== undefined && !isStopping; test = queue.shift()) {
    await run(test, processor)
  }
}

await Promise.all(processors.split(',').map(work))
if (isStopping) process.exit(130)

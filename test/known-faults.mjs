// Lists what users of such drivers met elsewhere, and how the tests that stand against it ended in this run:
//   known-faults.mjs <folder of jest's results, of every lane>
// The last line is "<rows held> <rows not held>"; a row without a test is not held.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = ''] = process.argv.slice(2)
const faults = JSON.parse(readFileSync(new URL('known-faults.json', import.meta.url), 'utf8'))
const results = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).testResults)
  .flatMap(({ assertionResults }) => assertionResults)
  .filter(({ status }) => status !== 'pending')

let held = 0
let lost = 0
for (const { fault, seen, tests } of faults) {
  const counts = tests.map((test) => {
    const found = results.filter(({ fullName }) => fullName.includes(test))
    return { test, ran: found.length, failed: found.filter(({ status }) => status !== 'passed').length }
  })
  const isHeld = counts.every(({ ran, failed }) => failed === 0 && ran > 0)
  if (isHeld) held += 1
  else lost += 1
  const ran = counts.reduce((sum, count) => sum + count.ran, 0)
  process.stdout.write(`${isHeld ? 'ok  ' : 'FAIL'} ${fault} (${seen}): ${ran} tests\n`)
  for (const { test, ran: count, failed } of counts) {
    if (failed > 0 || count === 0)
      process.stdout.write(`     ${count === 0 ? 'no test' : `${failed} failed`}: ${test}\n`)
  }
}
process.stdout.write(`${held} ${lost}\n`)

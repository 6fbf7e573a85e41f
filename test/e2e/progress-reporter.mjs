const COLOURS = /\u001b\[[0-9;]*m/g
const REASON_LINES = 12

/** One line for each test as it ends: a lane of minutes shows how far it is, and why a test failed. */
export default class ProgressReporter {
  onTestCaseResult(_test, { status, fullName, duration, failureMessages }) {
    if (status === 'pending' || status === 'todo') return
    const seconds = ((duration ?? 0) / 1000).toFixed(1)
    process.stderr.write(`${status === 'passed' ? 'ok  ' : 'FAIL'} ${seconds.padStart(5)} s  ${fullName}\n`)
    for (const message of failureMessages) {
      const reason = message.replaceAll(COLOURS, '').split('\n').slice(0, REASON_LINES)
      process.stderr.write(reason.map((line) => `       ${line}\n`).join(''))
    }
  }
}

/** One line for each test as it ends: a lane of minutes shows how far it is. */
export default class ProgressReporter {
  onTestCaseResult(_test, { status, fullName, duration }) {
    if (status === 'pending' || status === 'todo') return
    const seconds = ((duration ?? 0) / 1000).toFixed(1)
    process.stderr.write(`${status === 'passed' ? 'ok  ' : 'FAIL'} ${seconds.padStart(5)} s  ${fullName}\n`)
  }
}

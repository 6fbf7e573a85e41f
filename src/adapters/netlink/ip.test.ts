import { expect, it } from '@jest/globals'
import { CommandError } from '../process/command-error'
import { kernelErrorCode } from './ip'

const failed = (stderr: string): CommandError =>
  new CommandError(['ip'], 'exit code 1', { stdout: '', stderr })

it.each([
  ['Cannot find device "eth9"', 'ENODEV'],
  ['Device "eth9" does not exist.', 'ENODEV'],
  // Where the link goes between the look for its name and the question.
  ['RTNETLINK answers: No such device', 'ENODEV'],
  ['RTNETLINK answers: Invalid argument', 'EINVAL'],
  ['RTNETLINK answers: Operation not permitted', undefined],
])('takes what iproute2 prints for the kernel’s condition: %s', (text, code) => {
  expect(kernelErrorCode(failed(`${text}\nCommand failed -:1\n`))).toBe(code)
})

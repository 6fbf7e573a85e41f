import { expect, it } from '@jest/globals'
import { CommandError } from '../process/command-error'
import { kernelErrorCode } from './ip'

const failed = (stderr: string): CommandError =>
  new CommandError(['ip'], 'exit code 1', { stdout: '', stderr })

it.each([
  ['ioctl(TUNSETIFF): Device or resource busy', 'EBUSY'],
  ['ioctl(TUNSETIFF): Invalid argument', 'EINVAL'],
  ['RTNETLINK answers: Operation not permitted', undefined],
])('takes what iproute2 prints for the kernel’s condition: %s', (text, code) => {
  expect(kernelErrorCode(failed(`${text}\nCommand failed -:1\n`))).toBe(code)
})

import { describe, expect, it } from '@jest/globals'
import { ConnectionLostError, isRetryable, NotConnectedError, TransactionError } from './errors'

const nameTaken =
  'Transaction causes multiple rows in "Bridge" table to have identical values (br0) for index on column "name".'

describe('TransactionError', () => {
  it('names the operation that failed, or the commit', () => {
    expect(new TransactionError('timed out', 'no row', 2, 'wait Bridge').message).toBe(
      'operation 2 (wait Bridge): timed out: no row',
    )
    expect(new TransactionError('aborted', '', undefined, undefined).message).toBe('commit: aborted')
  })

  it.each([
    ['timed out', 'timed-out'],
    ['I/O error', 'io-error'],
    ['referential integrity violation', 'referential-integrity-violation'],
    ['something new', 'unknown'],
    ['toString', 'unknown'],
  ])('has a code for %s', (serverError, code) => {
    expect(new TransactionError(serverError, '', 0, 'insert T').code).toBe(code)
  })
})

it.each<[boolean, Error]>([
  [true, new TransactionError('timed out', '', 0, 'wait T')],
  [true, new TransactionError('constraint violation', nameTaken, undefined, undefined)],
  [false, new TransactionError('constraint violation', '5000 is not in the valid range', 0, 'update T')],
  [false, new TransactionError('domain error', nameTaken, 0, 'update T')],
  [false, new ConnectionLostError('outcome unknown')],
  [false, new NotConnectedError('nothing sent')],
])('isRetryable: %s for %s', (expected, error) => {
  expect(isRetryable(error)).toBe(expected)
})

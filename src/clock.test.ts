import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { createSystemClock } from './clock'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

describe('a deadline', () => {
  it('comes although nobody holds it but the signal that it is a part of', async () => {
    const never = new AbortController().signal
    let aborted = false
    const listen = (): void => {
      AbortSignal.any([never, createSystemClock().deadline(50)]).addEventListener(
        'abort',
        () => (aborted = true),
      )
    }
    listen()
    await sleep(1)
    collectGarbage()
    await sleep(150)
    expect(aborted).toBe(true)
  })

  it('says what it is', async () => {
    const signal = createSystemClock().deadline(1)
    await sleep(30)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
  })
})

import { describe, expect, it } from '@jest/globals'
import { KeyedLock } from './keyed-lock'

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

describe('KeyedLock', () => {
  it('runs tasks of one key in the order they asked, and of another key meanwhile', async () => {
    const lock = new KeyedLock()
    const first = gate()
    const seen: string[] = []
    const a = lock.run('a', async () => {
      await first.opened
      seen.push('a1')
    })
    const b = lock.run('a', () => Promise.resolve(seen.push('a2')))
    await lock.run('b', () => Promise.resolve(seen.push('b')))
    first.open()
    await Promise.all([a, b])
    expect(seen).toEqual(['b', 'a1', 'a2'])
  })

  it('lets the next task run after one that failed, and reports the failure to its own caller', async () => {
    const lock = new KeyedLock()
    const failing = lock.run('a', () => Promise.reject(new Error('broken')))
    const next = lock.run('a', () => Promise.resolve('done'))
    await expect(failing).rejects.toThrow('broken')
    await expect(next).resolves.toBe('done')
  })
})

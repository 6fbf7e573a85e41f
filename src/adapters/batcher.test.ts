import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { Batcher } from './batcher'

describe('batches', () => {
  it('hold what waits at the same moment, and give each its own result', async () => {
    const batches: (readonly number[])[] = []
    const batcher = new Batcher<number, string>(async (items) => {
      batches.push(items)
      await turn()
      return items.map(String)
    })
    const first = [batcher.run(1), batcher.run(2)]
    await Promise.resolve()
    const second = [batcher.run(3), batcher.run(4)]
    expect(await Promise.all([...first, ...second])).toEqual(['1', '2', '3', '4'])
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ])
  })

  it('are no larger than there is room for, but for one that would be so alone, and keep the order', async () => {
    const batches: (readonly number[])[] = []
    const batcher = new Batcher<number, number>(
      (items) => {
        batches.push(items)
        return Promise.resolve(items)
      },
      { total: 3, sizeOf: (item) => item },
    )
    await Promise.all([1, 2, 1, 9, 3].map((item) => batcher.run(item)))
    expect(batches).toEqual([[1, 2], [1], [9], [3]])
  })

  it('fail together, and leave those after them alone', async () => {
    const batcher = new Batcher<number, number>(async (items) => {
      await turn()
      if (items.includes(1)) throw new Error('refused')
      return items
    })
    const failing = Promise.allSettled([batcher.run(1), batcher.run(2)])
    await Promise.resolve()
    expect(await batcher.run(3)).toBe(3)
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})

import { describe, expect, it } from '@jest/globals'
import { Sweep } from './sweep'

describe('a sweep', () => {
  it('is done once somebody has looked and nothing is left, until something is begun', () => {
    const sweep = new Sweep()
    expect(sweep.isDone).toBe(false)
    const finish = sweep.look()
    expect(sweep.isDone).toBe(false)
    finish()
    expect(sweep.isDone).toBe(true)
    sweep.begin()
    expect(sweep.isDone).toBe(false)
  })

  it('is not done by a look that began before what was begun', () => {
    const sweep = new Sweep()
    const finish = sweep.look()
    sweep.begin()
    finish()
    expect(sweep.isDone).toBe(false)
  })
})

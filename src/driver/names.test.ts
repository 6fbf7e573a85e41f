import { describe, expect, it } from '@jest/globals'
import { bridgeNameFrom, idPieces, linkNamesFrom } from './names'

const id = '0123456789abcdef'.repeat(4)

describe('names', () => {
  it('begin with the first five characters of the id, then move along it', () => {
    const pieces = [...idPieces(id)]
    expect(pieces.slice(0, 3)).toEqual(['01234', '12345', '23456'])
    expect(pieces).toHaveLength(60)
  })

  it("fit the kernel's fifteen bytes", () => {
    for (const piece of idPieces(id)) {
      const { hostLink, containerLink } = linkNamesFrom(piece)
      for (const name of [hostLink, containerLink, bridgeNameFrom(piece)]) {
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(15)
      }
    }
  })

  it('take an id shorter than a piece as it is', () => {
    expect([...idPieces('abc')]).toEqual(['abc'])
  })
})

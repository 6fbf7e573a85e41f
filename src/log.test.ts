import { describe, expect, it } from '@jest/globals'
import type { LogLevel } from './log'
import { createLogger } from './log'

function capture(level: LogLevel = 'debug') {
  const lines: string[] = []
  const output = { write: (line: string) => lines.push(line) }
  const log = createLogger({ level, output, now: () => new Date(0) })
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('createLogger', () => {
  it('writes one JSON object on a line of its own', () => {
    const { log, lines } = capture()
    log.info('two\nlines', { port: 6640, absent: undefined })
    expect(lines).toEqual([
      '{"time":"1970-01-01T00:00:00.000Z","level":"info","msg":"two\\nlines","port":6640}\n',
    ])
  })

  it('writes its own level and the graver ones', () => {
    const { log, parsed } = capture('warn')
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
    expect(parsed().map(({ level, msg }) => [level, msg])).toEqual([
      ['warn', 'c'],
      ['error', 'd'],
    ])
  })

  it("hands a child's fields down, and lets the line's own win", () => {
    const { log, parsed } = capture()
    log.child({ method: 'Join', network: 'a' }).child({ endpoint: 'e' }).info('m', { network: 'b' })
    expect(parsed()).toMatchObject([{ method: 'Join', network: 'b', endpoint: 'e' }])
  })

  it('lets no field take the place of time, level or message', () => {
    const { log, parsed } = capture()
    log.error('real', { time: 'x', level: 'x', msg: 'x' })
    expect(parsed()).toEqual([{ time: '1970-01-01T00:00:00.000Z', level: 'error', msg: 'real' }])
  })

  it.each([
    ['a long string', { stack: 'x'.repeat(100_000) }],
    ['many bytes per character', { reason: '\u0000é€'.repeat(10_000) }],
    ['a large structure', { operations: Array.from({ length: 5_000 }, (_, row) => ({ row })) }],
    ['several of them', { a: 'a'.repeat(20_000), b: 'b'.repeat(20_000), c: undefined }],
  ])('keeps a line with %s under 16 KiB and readable', (_what, fields) => {
    const { log, lines, parsed } = capture()
    log.error('message', { short: 'kept', ...fields })
    expect(Buffer.byteLength(lines[0] ?? '')).toBeLessThan(16 * 1024)
    expect(parsed()).toMatchObject([{ msg: 'message', short: 'kept' }])
    for (const key of Object.keys(fields).filter((key) => key !== 'c'))
      expect(parsed()[0]).toHaveProperty(key)
  })
})

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { parseNetworkOptions } from './driver/options'
import { reasonOf } from './errors'

const root = join(__dirname, '..')
const readme = readFile(join(root, 'README.md'), 'utf8')

/** As the driver itself lists them where an option is near none. */
function knownOptions(): readonly string[] {
  try {
    parseNetworkOptions({ 'ovs.nothing.of.the.kind': '' })
  } catch (error) {
    return reasonOf(error).split('known are ').at(-1)?.split(', ') ?? []
  }
  return []
}

/** The words of a message that do not depend on its details, as far as the first of them. */
function messagesOf(source: string): readonly string[] {
  return [...source.matchAll(/^ {2}[A-Z_]+: [^`']*?[`']([^`'$"]+)/gm)].map(([, beginning = '']) =>
    beginning.trim(),
  )
}

describe('README.md', () => {
  it('has a row for every option', async () => {
    const options = knownOptions()
    expect(options).toContain('ovs.bridge.mode')
    for (const option of options) expect(await readme).toContain(`| \`${option}\` |`)
  })

  it('has a row for every setting', async () => {
    const config = JSON.parse(await readFile(join(root, 'config.json'), 'utf8')) as {
      readonly env: readonly { readonly name: string }[]
    }
    for (const { name } of config.env) expect(await readme).toContain(`| \`${name}\` |`)
  })

  it('tells of every error that a user may meet', async () => {
    const text = (await readme).replaceAll(/\s+/g, ' ')
    const messages = messagesOf(await readFile(join(root, 'src/errors.ts'), 'utf8'))
    expect(messages.length).toBeGreaterThan(30)
    const missing = messages.filter((beginning) => !text.includes(beginning.replace(/\($/, '').trim()))
    expect(missing).toEqual([])
  })
})

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { SysctlFiles } from '../adapters/netlink/host-network'
import { createSysctlFiles } from '../adapters/netlink/host-network'
import { createLogger } from '../log'
import { ReceiveBuffer } from './receive-buffer'

let directory: string
let setting: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'receive-buffer-'))
  setting = join(directory, 'core', 'rmem_default')
  await mkdir(join(directory, 'core'))
  await mkdir(join(directory, 'state'))
  await writeFile(setting, '212992\n')
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

/** Another call is another process. */
function make(fault: Partial<SysctlFiles> = {}): ReceiveBuffer {
  const log = createLogger({ level: 'error', output: { write: () => undefined } })
  return new ReceiveBuffer(
    { ...createSysctlFiles(directory), ...fault },
    join(directory, 'state', 'note'),
    log,
  )
}

const value = async (): Promise<string> => (await readFile(setting, 'utf8')).trim()
const notes = (): Promise<readonly string[]> => readdir(join(directory, 'state'))

describe("the switch's receive buffer", () => {
  it('is large while the switch runs, and what the host had comes back', async () => {
    const buffer = make()
    await buffer.enlarge()
    expect(await value()).toBe('4194304')
    await buffer.restore()
    expect(await value()).toBe('212992')
    expect(await notes()).toEqual([])
  })

  it('is given back by the process after one that was killed', async () => {
    await make().enlarge()
    const next = make()
    await next.enlarge()
    await next.restore()
    expect(await value()).toBe('212992')
  })

  it.each(['8388608', '4194304'])('is left alone where the host has %s bytes already', async (before) => {
    await writeFile(setting, before)
    const buffer = make()
    await buffer.enlarge()
    await buffer.restore()
    expect(await value()).toBe(before)
  })

  it('is left alone where somebody has set it meanwhile', async () => {
    const buffer = make()
    await buffer.enlarge()
    await writeFile(setting, '1048576')
    await buffer.restore()
    expect(await value()).toBe('1048576')
    expect(await notes()).toEqual([])
  })

  it('stays what it is where it cannot be changed', async () => {
    const buffer = make({ write: () => Promise.reject(new Error('EACCES: permission denied')) })
    await buffer.enlarge()
    await buffer.restore()
    expect(await value()).toBe('212992')
    expect(await notes()).toEqual([])
  })
})

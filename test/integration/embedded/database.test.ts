import { copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createRun } from '../../../src/adapters/process/run'
import { prepareDatabase } from '../../../src/embedded/database'
import { createLogger } from '../../../src/log'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const never = new AbortController().signal
const run = createRun(process.env)

let directory: string
let path: string
let logged: string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'database-'))
  path = join(directory, 'ovs', 'conf.db')
  logged = []
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

function prepare(schema = SCHEMA): Promise<void> {
  const log = createLogger({ level: 'info', output: { write: (line: string) => logged.push(line) } })
  return prepareDatabase({ path, schema, run, log }, never)
}

const ovsdbTool = async (...args: readonly string[]): Promise<string> =>
  (await run('ovsdb-tool', args, { signal: never })).stdout.trim()

/** As `ovs-vsctl init` would. */
const insertRoot = (): Promise<string> =>
  ovsdbTool(
    'transact',
    path,
    JSON.stringify(['Open_vSwitch', { op: 'insert', table: 'Open_vSwitch', row: {} }]),
  )

/** Puts a row into the database that no server has open. */
const insertBridge = (name: string): Promise<string> =>
  ovsdbTool(
    'transact',
    path,
    JSON.stringify([
      'Open_vSwitch',
      { op: 'insert', table: 'Bridge', row: { name }, 'uuid-name': 'bridge' },
      {
        op: 'mutate',
        table: 'Open_vSwitch',
        where: [],
        mutations: [['bridges', 'insert', ['set', [['named-uuid', 'bridge']]]]],
      },
    ]),
  )

/** What a server that opens the database finds in it. */
async function bridgeNames(): Promise<string> {
  const socket = join(directory, 'db.sock')
  const query = `ovs-vsctl --timeout=5 --db=unix:${socket} --no-heading --columns=name list Bridge`
  const server = [path, `--remote=punix:${socket}`, `--unixctl=${join(directory, 'ctl')}`, `--run=${query}`]
  return (await run('ovsdb-server', server, { signal: never })).stdout.trim()
}

/** The schema of an older release: without a column of today's. */
async function olderSchema(): Promise<string> {
  const schema = JSON.parse(await readFile(SCHEMA, 'utf8')) as {
    version: string
    cksum?: string
    tables: { Bridge: { columns: Record<string, unknown> } }
  }
  schema.version = '7.0.0'
  delete schema.cksum
  delete schema.tables.Bridge.columns['rstp_enable']
  const older = join(directory, 'older.ovsschema')
  await writeFile(older, JSON.stringify(schema))
  return older
}

describe("the embedded switch's database", () => {
  it('is created where there is none, and left as it is from then on', async () => {
    await prepare()
    await insertRoot()
    await insertBridge('kept')
    await prepare()
    expect(await bridgeNames()).toBe('kept')
    expect(await readdir(join(directory, 'ovs'))).not.toContain('conf.db.new')
  })

  it('is created anew after a crash in the middle of it', async () => {
    await prepare()
    await copyFile(path, `${path}.new`)
    await truncate(`${path}.new`, 40)
    await rm(path)
    await prepare()
    expect(await ovsdbTool('needs-conversion', path, SCHEMA)).toBe('no')
  })

  it('is converted from an older schema with its rows, beside a copy of what it was', async () => {
    const older = await olderSchema()
    await prepare(older)
    await insertRoot()
    await insertBridge('kept')
    await prepare()
    expect(await ovsdbTool('needs-conversion', path, SCHEMA)).toBe('no')
    expect(await bridgeNames()).toBe('kept')
    expect(await ovsdbTool('db-version', `${path}.schema-7.0.0`)).toBe('7.0.0')
    expect(logged.join('')).toContain('switch database converted')
  })

  it('with a record cut off by a power failure is copied before the server drops that record', async () => {
    await prepare()
    await insertRoot()
    await insertBridge('kept')
    await insertBridge('lost')
    const { length } = await readFile(path)
    await truncate(path, length - 20)
    await prepare()
    expect((await readFile(`${path}.damaged`)).length).toBe(length - 20)
    expect(logged.join('')).toContain('switch database is damaged')
    expect(await bridgeNames()).toBe('kept')
  })

  it.each([
    ['that is none', 'not a database\n'],
    ['that is empty', ''],
  ])('%s is refused with its path and the reason', async (_, text) => {
    await prepare()
    await writeFile(path, text)
    await expect(prepare()).rejects.toThrow(
      new RegExp(`^the embedded switch's database ${path} cannot be used: ovsdb-tool: .*${path}`),
    )
    expect(await readFile(path, 'utf8')).toBe(text)
  })
})

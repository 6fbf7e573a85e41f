import {
  createOvsdbClient,
  type Clock,
  type Endpoint,
  type OvsdbClient,
  type OvsdbEvent,
} from '../../../src/adapters/ovsdb'

/** The machine's time, `speed` times as fast: what takes the client ten seconds can be seen in one. */
export function realClock(speed = 1): Clock {
  return {
    now: () => performance.now() * speed,
    setTimeout: (task, ms) => setTimeout(task, ms / speed),
    clearTimeout: (handle) => {
      clearTimeout(handle as NodeJS.Timeout)
    },
  }
}

const monitor = {
  Open_vSwitch: { columns: ['next_cfg', 'cur_cfg', 'bridges', 'external_ids'] },
  Bridge: {
    columns: ['name', 'ports', 'external_ids', 'stp_enable', 'datapath_id', 'rstp_enable'],
    indexes: ['name', 'ports', 'external_ids:owner'],
  },
  Port: { columns: ['name', 'tag', 'trunks', 'interfaces', 'external_ids'], indexes: ['name'] },
  CT_Zone: { columns: ['timeout_policy'] },
} as const

export interface TestClient {
  readonly client: OvsdbClient
  readonly events: readonly OvsdbEvent[]
}

/** A started client; whoever makes it closes it. */
export function startClient(
  endpoint: Endpoint,
  {
    clock = realClock(),
    database = 'Open_vSwitch',
  }: { readonly clock?: Clock; readonly database?: string } = {},
): TestClient {
  const events: OvsdbEvent[] = []
  const client = createOvsdbClient({
    endpoint,
    database,
    monitor,
    clock,
    random: () => 0,
    log: (event) => events.push(event),
  })
  client.start()
  return { client, events }
}

/** A deadline for what should happen at once: it bounds a failing test, no more. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(15_000)
}

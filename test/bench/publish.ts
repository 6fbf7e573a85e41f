import type { PortBinding } from '../../src/driver/api'
import type { Process } from '../integration/driver/fixture'
import { endpointRequest, makeHost, networkRequest, never } from '../integration/driver/fixture'
import type { Samples } from './measure'
import { interleave } from './measure'

const ROUNDS = 15
const COUNTS = [0, 99, 999] as const
const FIRST_PORT = 20_000
const PORTS_APART = 2_000

interface Subject {
  readonly publishOne: () => Promise<() => Promise<void>>
  readonly dispose: () => Promise<void>
}

/**
 * One more published port, the first, the hundredth and the thousandth of its network; each on a host of its own. It is
 * withdrawn again in between, which is not timed.
 */
export async function publishing(): Promise<readonly Samples[]> {
  const subjects = new Map<string, Subject>()
  try {
    for (const [index, others] of COUNTS.entries()) {
      subjects.set(`publish_${others + 1}`, await subject(others, FIRST_PORT + index * PORTS_APART))
    }
    return await interleave(
      ROUNDS,
      Object.fromEntries([...subjects].map(([name, { publishOne }]) => [name, publishOne])),
    )
  } finally {
    for (const { dispose } of subjects.values()) await dispose()
  }
}

/** @param firstPort all are bound in one network, the benchmark's own. */
async function subject(ports: number, firstPort: number): Promise<Subject> {
  const host = await makeHost()
  const { driver }: Process = await host.startProcess()
  const network = networkRequest({
    options: { 'ovs.bridge.mode': 'nat' },
    ipv4: [{ pool: '10.7.0.0/24', gateway: '10.7.0.1/24' }],
  })
  await driver.createNetwork(network, never)
  const busy = endpointRequest(network.networkId)
  const one = endpointRequest(network.networkId, { ipv4Address: '10.7.0.3/24' })
  for (const endpoint of [busy, one]) {
    await driver.createEndpoint(endpoint, never)
    await driver.join(endpoint, never)
  }
  const bindings = Array.from({ length: ports }, (_, n) => binding(firstPort + n))
  await driver.publish({ ...busy, bindings }, never)
  let next = firstPort + ports
  return {
    publishOne: async () => {
      next += 1
      await driver.publish({ ...one, bindings: [binding(next)] }, never)
      return () => driver.unpublish(one, never)
    },
    dispose: async () => {
      await driver.deleteEndpoint(busy, never)
      await driver.deleteEndpoint(one, never)
      await host.dispose()
    },
  }
}

const binding = (port: number): PortBinding => ({
  protocol: 'tcp',
  containerPort: 80,
  hostPort: port,
  hostPortEnd: port,
})

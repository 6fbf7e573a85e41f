import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { serve } from './test-server'

const methods = [
  'Plugin.Activate',
  ...[
    'GetCapabilities',
    'GwAllocCheck',
    'CreateNetwork',
    'DeleteNetwork',
    'CreateEndpoint',
    'EndpointOperInfo',
    'Join',
    'Leave',
    'DeleteEndpoint',
    'ProgramExternalConnectivity',
    'RevokeExternalConnectivity',
    'AllocateNetwork',
    'FreeNetwork',
    'DiscoverNew',
    'DiscoverDelete',
  ].map((name) => `NetworkDriver.${name}`),
]

const id = fc.oneof(fc.constant('a'.repeat(64)), fc.string({ unit: 'binary' }))

/** Bodies that are nearly what an engine sends, with anything in any place. */
const nearlyRight = fc.record(
  {
    NetworkID: fc.oneof(id, fc.jsonValue()),
    EndpointID: fc.oneof(id, fc.jsonValue()),
    Interface: fc.oneof(
      fc.jsonValue(),
      fc.record(
        { Address: fc.jsonValue(), AddressIPv6: fc.string(), MacAddress: fc.string() },
        { requiredKeys: [] },
      ),
    ),
    Options: fc.oneof(
      fc.jsonValue(),
      fc.dictionary(
        fc.constantFrom(
          'com.docker.network.generic',
          'com.docker.network.internal',
          'com.docker.network.portmap',
          '__proto__',
          'ovs.bridge.vlan',
        ),
        fc.jsonValue(),
      ),
    ),
    IPv4Data: fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ Pool: fc.oneof(fc.string(), fc.constant('10.0.0.0/8')), Gateway: fc.string() })),
    ),
    IPv6Data: fc.jsonValue(),
    SandboxKey: fc.string(),
  },
  { requiredKeys: [] },
)

/** An engine takes 200 without `Err` for success, and shows the text of `Err` otherwise. */
function expectAnswer({ status, body }: { readonly status: number; readonly body: object }): void {
  if ('Err' in body) expect(body.Err).toMatch(/\S/)
  else expect(status).toBe(200)
  // 500 is for faults of ours.
  expect(status).toBeLessThan(500)
}

it('whatever text comes, there is an answer that an engine can read', async () => {
  const { post } = serve()
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...methods), fc.string({ unit: 'binary' }), async (method, text) => {
      expectAnswer(await post(method, text))
    }),
    { numRuns: 500 },
  )
})

it('whatever stands where, what is not what an engine sends is refused and reaches no driver', async () => {
  const { post, driver } = serve()
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...methods), nearlyRight, async (method, body) => {
      expectAnswer(await post(method, body))
    }),
    { numRuns: 1000 },
  )
  for (const [, request] of driver.calls) {
    const {
      networkId = 'n',
      endpointId = 'e',
      ipv4 = [],
    } = request as {
      readonly networkId?: string
      readonly endpointId?: string
      readonly ipv4?: readonly { readonly pool: string }[]
    }
    expect(`${networkId} ${endpointId}`).toMatch(
      /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127} [A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/,
    )
    for (const { pool } of ipv4) expect(ipaddr.isValidCIDR(pool)).toBe(true)
  }
})

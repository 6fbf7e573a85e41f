import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestHost } from '../e2e/host/host'
import { pluginName } from '../e2e/host/host'

/** Both networks by the driver's name; the engine has one named `bridge` of its own. */
export const networkOf = (driver: DriverName): string => `bench-${driver}`

export const DRIVERS = { ovs: pluginName, bridge: 'bridge' } as const
export type DriverName = keyof typeof DRIVERS
export const DRIVER_NAMES = ['ovs', 'bridge'] as const

/** The subnet of a driver's network, as `10.80`. */
export const PREFIXES = { ovs: '10.80', bridge: '10.90' } as const

/** One call of the engine's API; rejects with what the engine said. */
export async function api(host: TestHost, method: string, path: string, body?: object): Promise<string> {
  const socketPath = `/proc/${host.pid}/root/run/docker.sock`
  const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const asked = request({ socketPath, method, path, headers }, (message) => {
      text(message).then((received) => {
        resolve({ status: message.statusCode ?? 0, body: received })
      }, reject)
    })
    asked.on('error', reject).end(body === undefined ? '' : JSON.stringify(body))
  })
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
  return answer.body
}

export const createNetwork = (
  host: TestHost,
  driver: DriverName,
  options: Readonly<Record<string, string>> = {},
): Promise<string> =>
  api(host, 'POST', '/networks/create', {
    Name: networkOf(driver),
    Driver: DRIVERS[driver],
    IPAM: { Config: [{ Subnet: `${PREFIXES[driver]}.0.0/16` }] },
    Options: options,
  })

export const removeNetwork = async (host: TestHost, driver: DriverName): Promise<void> => {
  await api(host, 'DELETE', `/networks/${networkOf(driver)}`)
}

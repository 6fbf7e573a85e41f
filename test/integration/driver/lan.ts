import type { Host, Process } from './fixture'
import { attach, endpointRequest, makeHost, networkRequest, never } from './fixture'

/** A host with a driver that gets networks on a bridge named `lan`. */
export interface Lan {
  readonly host: Host
  readonly plugin: Process
  /** A driver process in the place of the one before. */
  restart(): Promise<Lan>
  /** @returns its id. */
  createLan(options: Readonly<Record<string, string>>): Promise<string>
  /** A link of the host's whose other end is out there, named `<name>-far`. */
  makeNic(name: string): Promise<void>
  /** @returns the port of a container. */
  attach(networkId: string, options?: Readonly<Record<string, string>>): Promise<string>
  /** `ovs-vsctl get`. */
  get(...args: readonly string[]): Promise<string>
}

export async function makeLan(): Promise<Lan> {
  const host = await makeHost()
  return lanOf(host, await host.startProcess())
}

function lanOf(host: Host, plugin: Process): Lan {
  return {
    host,
    plugin,
    async restart() {
      await plugin.stop()
      return lanOf(host, await host.startProcess())
    },
    async createLan(options) {
      const request = networkRequest({ options: { 'ovs.bridge.name': 'lan', ...options } })
      await plugin.driver.createNetwork(request, never)
      return request.networkId
    },
    async makeNic(name) {
      await host.netns.exec('ip', 'link', 'add', 'name', name, 'type', 'veth', 'peer', 'name', `${name}-far`)
    },
    async attach(networkId, options = {}) {
      const request = endpointRequest(networkId, { options })
      await attach(plugin, request)
      return String(plugin.driver.endpointInfo(request)['port'])
    },
    get: (...args) => host.ovs.vsctl('get', ...args),
  }
}

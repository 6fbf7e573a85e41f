import type { NetworkDriver } from '../driver/api'

export interface RecordingDriver extends NetworkDriver {
  /** What was asked, in order: the method's name and its arguments without the signal. */
  readonly calls: readonly (readonly [method: string, ...args: readonly unknown[]])[]
}

/** For tests: a driver that notes what it is asked and answers as `answers` says, else like one to whom all is well. */
export function recordingDriver(answers: Partial<NetworkDriver> = {}): RecordingDriver {
  const calls: [string, ...unknown[]][] = []
  const standard: NetworkDriver = {
    gatewayAllocation: () => ({ skipIPv4: false, skipIPv6: false }),
    createNetwork: () => Promise.resolve(),
    deleteNetwork: () => Promise.resolve(),
    createEndpoint: () => Promise.resolve({}),
    endpointInfo: () => ({}),
    join: () =>
      Promise.resolve({ linkName: 'link', containerLinkPrefix: 'eth', disableGatewayService: true }),
    leave: () => Promise.resolve(),
    deleteEndpoint: () => Promise.resolve(),
    publish: () => Promise.resolve(),
    unpublish: () => Promise.resolve(),
  }
  const driver = { ...standard, ...answers }
  return {
    calls,
    gatewayAllocation: (options) => {
      calls.push(['gatewayAllocation', options])
      return driver.gatewayAllocation(options)
    },
    createNetwork: (request, signal) => {
      calls.push(['createNetwork', request])
      return driver.createNetwork(request, signal)
    },
    deleteNetwork: (networkId, signal) => {
      calls.push(['deleteNetwork', networkId])
      return driver.deleteNetwork(networkId, signal)
    },
    createEndpoint: (request, signal) => {
      calls.push(['createEndpoint', request])
      return driver.createEndpoint(request, signal)
    },
    endpointInfo: (endpoint) => {
      calls.push(['endpointInfo', endpoint])
      return driver.endpointInfo(endpoint)
    },
    join: (endpoint, signal) => {
      calls.push(['join', endpoint])
      return driver.join(endpoint, signal)
    },
    leave: (endpoint, signal) => {
      calls.push(['leave', endpoint])
      return driver.leave(endpoint, signal)
    },
    deleteEndpoint: (endpoint, signal) => {
      calls.push(['deleteEndpoint', endpoint])
      return driver.deleteEndpoint(endpoint, signal)
    },
    publish: (request, signal) => {
      calls.push(['publish', request])
      return driver.publish(request, signal)
    },
    unpublish: (endpoint, signal) => {
      calls.push(['unpublish', endpoint])
      return driver.unpublish(endpoint, signal)
    },
  }
}

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { NetworkDriver } from '../driver/api'
import { bounded } from './bounded'
import { shortId } from '../driver/names'
import {
  CreateEndpointBody,
  CreateNetworkBody,
  DiscoveryBody,
  EndpointBody,
  NetworkBody,
  OptionsBody,
  PublishBody,
} from './schemas'
import {
  fromJoin,
  toCreateEndpoint,
  toCreateNetwork,
  toEndpoint,
  toPublish,
  toUserOptions,
} from './translate'

type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** An answer without content: an empty body would be a decoding error to Docker. */
const DONE = {}

/** The longest that Docker waits for an answer, whatever the driver does; milliseconds. */
export interface Deadlines {
  readonly standard: number
  /** At boot it waits for a switch that is late. */
  readonly createEndpoint: number
}

/** Serves every method of Docker's remote network driver protocol. */
export function addRoutes(app: App, driver: NetworkDriver, deadlinesMs: Deadlines): void {
  const call = <Result>(
    reply: FastifyReply,
    attempt: string,
    work: (signal: AbortSignal) => Promise<Result>,
    deadlineMs = deadlinesMs.standard,
  ): Promise<Result> => bounded(reply.raw, attempt, deadlineMs, work)

  app.post('/Plugin.Activate', () => ({ Implements: ['NetworkDriver'] }))

  app.post('/NetworkDriver.GetCapabilities', () => ({
    Scope: 'local',
    ConnectivityScope: 'local',
    GwAllocChecker: true,
  }))

  app.post('/NetworkDriver.GwAllocCheck', { schema: { body: OptionsBody } }, ({ body }) => {
    const { skipIPv4, skipIPv6 } = driver.gatewayAllocation(toUserOptions(body))
    return { SkipIPv4: skipIPv4, SkipIPv6: skipIPv6 }
  })

  app.post(
    '/NetworkDriver.CreateNetwork',
    { schema: { body: CreateNetworkBody } },
    async ({ body }, reply) => {
      const request = toCreateNetwork(body)
      await call(reply, `create network ${shortId(request.networkId)}`, (signal) =>
        driver.createNetwork(request, signal),
      )
      return DONE
    },
  )

  app.post('/NetworkDriver.DeleteNetwork', { schema: { body: NetworkBody } }, async ({ body }, reply) => {
    const { NetworkID: id } = body
    await call(reply, `delete network ${shortId(id)}`, (signal) => driver.deleteNetwork(id, signal))
    return DONE
  })

  app.post(
    '/NetworkDriver.CreateEndpoint',
    { schema: { body: CreateEndpointBody } },
    async ({ body }, reply) => {
      const request = toCreateEndpoint(body)
      const { macAddress } = await call(
        reply,
        `create endpoint ${shortId(request.endpointId)}`,
        (signal) => driver.createEndpoint(request, signal),
        deadlinesMs.createEndpoint,
      )
      return macAddress === undefined ? DONE : { Interface: { MacAddress: macAddress } }
    },
  )

  app.post('/NetworkDriver.EndpointOperInfo', { schema: { body: EndpointBody } }, ({ body }) => ({
    Value: driver.endpointInfo(toEndpoint(body)),
  }))

  app.post('/NetworkDriver.Join', { schema: { body: EndpointBody } }, async ({ body }, reply) => {
    const endpoint = toEndpoint(body)
    const result = await call(reply, `join endpoint ${shortId(endpoint.endpointId)}`, (signal) =>
      driver.join(endpoint, signal),
    )
    return fromJoin(result)
  })

  app.post('/NetworkDriver.Leave', { schema: { body: EndpointBody } }, async ({ body }, reply) => {
    const endpoint = toEndpoint(body)
    await call(reply, `leave endpoint ${shortId(endpoint.endpointId)}`, (signal) =>
      driver.leave(endpoint, signal),
    )
    return DONE
  })

  app.post('/NetworkDriver.DeleteEndpoint', { schema: { body: EndpointBody } }, async ({ body }, reply) => {
    const endpoint = toEndpoint(body)
    await call(reply, `delete endpoint ${shortId(endpoint.endpointId)}`, (signal) =>
      driver.deleteEndpoint(endpoint, signal),
    )
    return DONE
  })

  app.post(
    '/NetworkDriver.ProgramExternalConnectivity',
    { schema: { body: PublishBody } },
    async ({ body }, reply) => {
      const request = toPublish(body)
      await call(reply, `publish ports of endpoint ${shortId(request.endpointId)}`, (signal) =>
        driver.publish(request, signal),
      )
      return DONE
    },
  )

  app.post(
    '/NetworkDriver.RevokeExternalConnectivity',
    { schema: { body: EndpointBody } },
    async ({ body }, reply) => {
      const endpoint = toEndpoint(body)
      await call(reply, `withdraw ports of endpoint ${shortId(endpoint.endpointId)}`, (signal) =>
        driver.unpublish(endpoint, signal),
      )
      return DONE
    },
  )

  // Swarm's: a driver of local scope has nothing to allocate for the cluster and nobody to discover.
  app.post('/NetworkDriver.AllocateNetwork', { schema: { body: NetworkBody } }, () => ({ Options: {} }))
  app.post('/NetworkDriver.FreeNetwork', { schema: { body: NetworkBody } }, () => DONE)
  app.post('/NetworkDriver.DiscoverNew', { schema: { body: DiscoveryBody } }, () => DONE)
  app.post('/NetworkDriver.DiscoverDelete', { schema: { body: DiscoveryBody } }, () => DONE)
}

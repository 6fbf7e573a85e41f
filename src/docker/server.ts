import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createConnection } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaValidationError,
} from 'fastify'
import fastify from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { NetworkDriver } from '../driver/api'
import { shortId } from '../driver/names'
import { DriverError, reasonOf } from '../errors'
import type { LogFields, Logger } from '../log'
import { onClosed } from './on-closed'
import type { Operator } from './operator'
import { addOperatorRoutes } from './operator'
import type { Deadlines } from './routes'
import { addRoutes } from './routes'

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json'
const BODY_LIMIT_BYTES = 1 << 20

/** Docker gives up after 30 s where it does at all, and then it is not told the reason. */
const DEADLINES_MS: Deadlines = { standard: 10_000, createEndpoint: 27_000 }

export interface ServerOptions {
  readonly driver: NetworkDriver
  readonly operator: Operator
  readonly log: Logger
  readonly deadlinesMs?: Deadlines
}

/** The HTTP server that Docker's engine talks to. */
export interface Server {
  /** For tests that need no socket. */
  readonly app: FastifyInstance
  /**
   * Listens on a unix socket; a file left there by a process that died is replaced. Rejects if a living process
   * serves it.
   */
  listen(socketPath: string): Promise<void>
  /** Takes no new connection, lets the requests under way be answered, then drops every connection. Idempotent. */
  close(): Promise<void>
}

const compilesNothing = (): never => {
  throw new Error('no schema is compiled by this')
}

/**
 * Not Fastify's own, which take a fifth of a start of the driver only to be loaded: what checks by TypeBox's schemas is
 * TypeBox's, and answers have no schema.
 */
const COMPILERS = { buildValidator: () => compilesNothing, buildSerializer: () => compilesNothing }

type Validate = (
  value: unknown,
) => { readonly value: unknown } | { readonly error: FastifySchemaValidationError[] }

function compileValidator({ schema }: { readonly schema: TSchema }): Validate {
  const validator = Compile(schema)
  return (value: unknown) => (validator.Check(value) ? { value } : { error: validator.Errors(value) })
}

/** Serves `driver` by the rules of Docker's plugin transport; nothing listens yet. */
export function createServer({ driver, operator, log, deadlinesMs = DEADLINES_MS }: ServerOptions): Server {
  const app = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    // Its own answer has no Err in it.
    return503OnClosing: false,
    // Engines send an empty Host, their own, or (other callers) none. A connection that the engine opened in reserve
    // may wait for its first request for ever: Node's limit for headers follows from the one for requests.
    http: { requireHostHeader: false, requestTimeout: 0 },
    schemaController: { compilersFactory: COMPILERS },
    schemaErrorFormatter: ([first]) => new Error(`body${first?.instancePath ?? ''} ${first?.message ?? ''}`),
    frameworkErrors: (error, request, reply) => {
      fail(log, error, request, reply)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)
  // An engine keeps idle connections for ever, and answers a lost one by repeating the request without its body. Not
  // among the options above, because Fastify takes 0 there for "not set" and puts 72 s in its place.
  app.server.keepAliveTimeout = 0

  const underWay = new Set<ServerResponse>()
  app.addHook('onRequest', (_request, reply, done) => {
    underWay.add(reply.raw)
    onClosed(reply.raw, () => {
      underWay.delete(reply.raw)
    })
    reply.type(CONTENT_TYPE)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    log.debug('request', { ...describe(request, reply), status: reply.statusCode })
    done()
  })

  // The engine sends no Content-Type.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, parseBody)
  app.addHook('preValidation', (request, _reply, done) => {
    const lacksBody = request.routeOptions.schema?.body !== undefined && request.body === undefined
    done(lacksBody ? DriverError.of('BAD_REQUEST', [EMPTY_BODY]) : undefined)
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    fail(log, error, request, reply)
  })
  app.setNotFoundHandler((request, reply) => {
    reject(log, 404, `unknown method ${request.method} ${request.url}`, request, reply)
  })
  addRoutes(app, driver, deadlinesMs)
  addOperatorRoutes(app, operator, deadlinesMs.standard)

  return {
    app,
    async listen(socketPath) {
      await removeStale(socketPath)
      await app.listen({ path: socketPath })
    },
    async close() {
      const closed = app.close()
      const ends = [...underWay].map((response) => new Promise<void>((end) => void onClosed(response, end)))
      await Promise.all(ends)
      app.server.closeAllConnections()
      await closed
    },
  }
}

const EMPTY_BODY =
  'the request has no body: Docker repeated a request that it could not finish sending; try the command again'

function parseBody(
  _request: FastifyRequest,
  text: string,
  done: (error: Error | null, body?: unknown) => void,
): void {
  if (text === '') {
    done(null)
    return
  }
  try {
    done(null, JSON.parse(text))
  } catch (error) {
    done(DriverError.of('BAD_REQUEST', [`the body is not JSON: ${reasonOf(error)}`]))
  }
}

/** Answers with the error as `Err`: Docker shows it to the user. */
function fail(
  log: Logger,
  error: FastifyError | DriverError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (error instanceof DriverError) {
    reject(log, error.code === 'BAD_REQUEST' ? 400 : 200, error.message, request, reply)
  } else if (error.statusCode !== undefined && error.statusCode < 500) {
    const { message } = DriverError.of('BAD_REQUEST', [error.message])
    reject(log, error.statusCode, message, request, reply)
  } else {
    const { message } = DriverError.of('INTERNAL', [reasonOf(error)])
    reject(log, 500, message, request, reply, { stack: error.stack })
  }
}

function reject(
  log: Logger,
  status: number,
  message: string,
  request: FastifyRequest,
  reply: FastifyReply,
  more?: LogFields,
): void {
  const level = more === undefined ? 'warn' : 'error'
  log[level]('request failed', { ...describe(request, reply), error: message, ...more })
  void reply.code(status).type(CONTENT_TYPE).send({ Err: message })
}

function describe(request: FastifyRequest, reply: FastifyReply): LogFields {
  const { NetworkID, EndpointID } = (request.body ?? {}) as Readonly<Record<string, unknown>>
  return {
    method: request.url.replace(/^\/(NetworkDriver\.)?/, ''),
    network: typeof NetworkID === 'string' ? shortId(NetworkID) : undefined,
    endpoint: typeof EndpointID === 'string' ? shortId(EndpointID) : undefined,
    ms: Math.round(reply.elapsedTime),
  }
}

/** A socket file outlives a process that was killed, and would refuse the next one its address. */
async function removeStale(socketPath: string): Promise<void> {
  const probe = createConnection(socketPath)
  const failure = await once(probe, 'connect').then(
    () => undefined,
    (error: unknown) => error as NodeJS.ErrnoException,
  )
  probe.destroy()
  if (failure === undefined) throw new Error(`another process serves ${socketPath}`)
  if (failure.code === 'ECONNREFUSED') await rm(socketPath)
}

/** An OVSDB client (RFC 7047): transactions, and a replica of the monitored tables that survives reconnects. */
export type {
  Clock,
  MonitorSpec,
  OvsdbClient,
  OvsdbClientOptions,
  OvsdbEvent,
  Replica,
  TableChange,
  TableMonitor,
  TableRow,
} from './api'
export { createOvsdbClient } from './client'
export { formatEndpoint, parseEndpoint, type Endpoint } from './endpoint'
export {
  ConnectionLostError,
  isRetryable,
  NotConnectedError,
  OvsdbError,
  ProtocolError,
  RequestError,
  TransactionError,
  type OvsdbErrorCode,
  type TransactionErrorCode,
} from './errors'
export {
  op,
  type Condition,
  type Expectation,
  type Mutation,
  type Operation,
  type OperationResult,
} from './operations'
export type { AtomicType, ColumnType, DatabaseSchema } from './schema'
export {
  namedUuid,
  uuid,
  type Atom,
  type NamedUuid,
  type Row,
  type StoredAtom,
  type StoredRow,
  type StoredValue,
  type Uuid,
  type Value,
} from './values'

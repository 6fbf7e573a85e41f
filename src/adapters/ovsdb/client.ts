import type { OvsdbClient, OvsdbClientOptions } from './api'

/** Makes a client; {@link OvsdbClient.start} begins to connect. */
export declare function createOvsdbClient(options: OvsdbClientOptions): OvsdbClient

import type { TSchema } from 'typebox'
import { Type } from 'typebox'

// What Docker sends, field by field, as far as the driver uses it; whatever else is there is let pass, because every
// engine release adds fields. Go writes an empty slice or map as null as often as it leaves it out.
const optional = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]))

// An id becomes part of device names and database keys; engines send 64 hex digits, other callers send words.
const Id = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' })

const Options = optional(Type.Record(Type.String(), Type.Unknown()))

const AddressPools = optional(
  Type.Array(Type.Object({ Pool: Type.String({ minLength: 1 }), Gateway: optional(Type.String()) })),
)

export const OptionsBody = Type.Object({ Options })

export const NetworkBody = Type.Object({ NetworkID: Id })

export const CreateNetworkBody = Type.Object({
  NetworkID: Id,
  Options,
  IPv4Data: AddressPools,
  IPv6Data: AddressPools,
})

export const EndpointBody = Type.Object({ NetworkID: Id, EndpointID: Id })

const PortNumber = Type.Integer({ minimum: 0, maximum: 65_535 })

const PortBinding = Type.Object({
  Proto: Type.Integer(),
  Port: PortNumber,
  HostIP: optional(Type.String()),
  HostPort: optional(PortNumber),
  HostPortEnd: optional(PortNumber),
})

export const EndpointOptions = optional(
  Type.Object(
    { 'com.docker.network.portmap': optional(Type.Array(PortBinding)) },
    { additionalProperties: Type.Unknown() },
  ),
)

export const CreateEndpointBody = Type.Object({
  NetworkID: Id,
  EndpointID: Id,
  Interface: optional(
    Type.Object({
      Address: optional(Type.String()),
      AddressIPv6: optional(Type.String()),
      MacAddress: optional(Type.String({ pattern: '^$|^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$' })),
    }),
  ),
  Options: EndpointOptions,
})

export const PublishBody = Type.Object({
  NetworkID: Id,
  EndpointID: Id,
  Options: EndpointOptions,
})

export const DiscoveryBody = Type.Object({})

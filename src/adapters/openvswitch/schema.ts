import type { MonitorSpec } from '../ovsdb'

/** The part of the Open_vSwitch schema (ovs-vswitchd.conf.db(5)) that the driver reads. */
export const MONITORED: MonitorSpec = {
  Open_vSwitch: {
    columns: ['bridges', 'external_ids', 'other_config', 'next_cfg', 'cur_cfg', 'ovs_version'],
  },
  Bridge: {
    columns: ['name', 'ports', 'datapath_type', 'other_config', 'external_ids'],
    indexes: ['name', 'ports', 'external_ids:owner'],
  },
  Port: {
    columns: ['name', 'interfaces', 'tag', 'protected', 'external_ids'],
    indexes: ['name', 'external_ids:owner'],
  },
  Interface: {
    columns: ['name', 'ofport', 'error', 'mtu', 'mtu_request', 'external_ids'],
    indexes: ['name'],
  },
}

/** `external_ids` of the rows that are ours. */
export const OWNER_KEY = 'owner'
export const OWNER = 'dovesnap'
export const ENDPOINT_KEY = 'dovesnap-endpoint'
export const NETWORK_KEY = 'dovesnap-network'
/** Known to every OVS tool and controller: the MAC address on the far side of the port (Documentation/topics/integration). */
export const MAC_KEY = 'attached-mac'

import type { MonitorSpec } from '../ovsdb'

/** The part of the Open_vSwitch schema (ovs-vswitchd.conf.db(5)) that the driver reads. */
export const MONITORED: MonitorSpec = {
  Open_vSwitch: {
    columns: ['bridges', 'external_ids', 'other_config', 'next_cfg', 'cur_cfg', 'ovs_version'],
  },
  Bridge: {
    columns: [
      'name',
      'ports',
      'datapath_type',
      'other_config',
      'external_ids',
      'fail_mode',
      'protocols',
      'stp_enable',
      'rstp_enable',
      'mcast_snooping_enable',
      'controller',
      'sflow',
      'netflow',
      'ipfix',
      'mirrors',
    ],
    indexes: ['name', 'ports', 'external_ids:owner'],
  },
  Port: {
    columns: [
      'name',
      'interfaces',
      'tag',
      'trunks',
      'vlan_mode',
      'protected',
      'bond_mode',
      'lacp',
      'qos',
      'external_ids',
    ],
    indexes: ['name', 'external_ids:owner', 'external_ids:dovesnap-network'],
  },
  Interface: {
    columns: [
      'name',
      'type',
      'options',
      'ofport',
      'ofport_request',
      'error',
      'mtu',
      'mtu_request',
      'ingress_policing_rate',
      'ingress_policing_burst',
      'external_ids',
    ],
    indexes: ['name'],
  },
  Controller: { columns: ['target'] },
  Mirror: { columns: ['name', 'select_all', 'select_vlan', 'output_port', 'external_ids'] },
  QoS: { columns: ['type', 'other_config', 'external_ids'], indexes: ['external_ids:dovesnap-endpoint'] },
  sFlow: { columns: ['targets', 'sampling'] },
  NetFlow: { columns: ['targets', 'active_timeout'] },
  IPFIX: { columns: ['targets', 'sampling'] },
}

/** `external_ids` of the rows that are ours. */
export const OWNER_KEY = 'owner'
export const OWNER = 'dovesnap'
export const ENDPOINT_KEY = 'dovesnap-endpoint'
export const NETWORK_KEY = 'dovesnap-network'
/** Known to every OVS tool and controller: the MAC address on the far side of the port (Documentation/topics/integration). */
export const MAC_KEY = 'attached-mac'

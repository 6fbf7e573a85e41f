import { DriverError } from './errors'
import type { LogLevel } from './log'
import type { SwitchSetting } from './adapters/openvswitch/source'
import { parseEndpoint } from './adapters/ovsdb'

/** The plugin's settings and the places of its root file system, parsed once from the environment. */
export interface Settings {
  readonly logLevel: LogLevel
  readonly ovsdb: SwitchSetting
  /** The socket that Docker connects to. */
  readonly socket: string
  /** Durable: outlives upgrade and re-enable. */
  readonly stateDirectory: string
  readonly hostOvsDirectory: string
  readonly ovsRunDirectory: string
  readonly ovsSchema: string
  readonly serviceDirectory: string
  readonly firewall: FirewallSetting
  /** /proc/sys/net of the host, writable. */
  readonly sysctlDirectory: string
}

const FIREWALLS = ['auto', 'iptables', 'nftables', 'none'] as const

/** Where rules of nat and routed networks go; `auto`: where Docker's are. */
export type FirewallSetting = (typeof FIREWALLS)[number]

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/**
 * Reads the settings. One that is not valid is reported and replaced by its default: the plugin must come up all the
 * same, or Docker tells the user no more than that its socket is missing.
 */
export function parseSettings(environment: NodeJS.ProcessEnv): {
  readonly settings: Settings
  readonly problems: readonly DriverError[]
} {
  const problems: DriverError[] = []
  const read = <T>(
    name: string,
    standard: string,
    allowed: string,
    parse: (text: string) => T | undefined,
  ): T => {
    const text = environment[name] ?? standard
    const value = parse(text)
    if (value !== undefined) return value
    problems.push(DriverError.of('SETTING_INVALID', [name, text, allowed]))
    return parse(standard) as T
  }
  const path = (name: string, standard: string): string =>
    read(name, standard, 'an absolute path', (text) => (text.startsWith('/') ? text : undefined))
  const settings = Object.freeze({
    logLevel: read('LOG_LEVEL', 'info', LOG_LEVELS.join(', '), (text) =>
      LOG_LEVELS.find((level) => level === text),
    ),
    ovsdb: read(
      'OVSDB',
      'auto',
      'auto, embedded, unix:<path>, tcp:<address>:<port> or ssl:<address>:<port>',
      parseSwitchSetting,
    ),
    socket: path('SOCKET', '/run/docker/plugins/ovs.sock'),
    stateDirectory: path('STATE_DIR', '/state'),
    hostOvsDirectory: path('HOST_OVS_DIR', '/host/ovs'),
    ovsRunDirectory: path('OVS_RUNDIR', '/run/openvswitch'),
    ovsSchema: path('OVS_SCHEMA', '/usr/share/openvswitch/vswitch.ovsschema'),
    serviceDirectory: path('S6_SCANDIR', '/run/service'),
    firewall: read('FIREWALL', 'auto', FIREWALLS.join(', '), (text) =>
      FIREWALLS.find((firewall) => firewall === text),
    ),
    sysctlDirectory: path('SYSCTL_DIR', '/host/proc/sys/net'),
  })
  return { settings, problems }
}

function parseSwitchSetting(text: string): SwitchSetting | undefined {
  if (text === 'auto' || text === 'embedded') return { kind: text }
  try {
    return { kind: 'host', name: text, endpoint: parseEndpoint(text) }
  } catch {
    return undefined
  }
}

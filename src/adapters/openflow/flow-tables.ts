import type { BridgeRules, FlowTables, PortGuard } from '../../driver/flow-tables'
import { DriverError, reasonOf } from '../../errors'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'
import type { Flow } from './flows'
import { bridgeFlows, COOKIE_MASK, FORWARDING, portFlows } from './flows'

/** Meters came with OpenFlow 1.3. */
const VERSION = ['-O', 'OpenFlow13']

/** ovs-vswitchd's own default for policing, in kbit. */
const DEFAULT_BURST = 8_000

/** {@link FlowTables} over ovs-ofctl and the management sockets of the bridges. */
export class OpenFlowTables implements FlowTables {
  constructor(
    private readonly run: Run,
    /** The folder with the bridges' `.mgmt` sockets; `undefined` where the switch's database alone can be reached. */
    private readonly socketDirectory: () => string | undefined,
  ) {}

  async guardPort(bridge: string, guard: PortGuard, signal: AbortSignal): Promise<void> {
    await this.attempt(bridge, async () => {
      if (guard.meter !== undefined) await this.putMeter(bridge, guard, signal)
      await this.deletePortFlows(bridge, guard.ofport, signal)
      await this.add(bridge, portFlows(guard), signal)
    })
  }

  async releasePort(bridge: string, ofport: number, signal: AbortSignal): Promise<void> {
    try {
      await this.deletePortFlows(bridge, ofport, signal)
      await this.ofctl(bridge, 'del-meter', [`meter=${ofport}`], signal)
    } catch (error) {
      // The flows went with the bridge, or the bridge has no meters.
      if (!(error instanceof CommandError || error instanceof DriverError)) throw error
    }
  }

  reconcile(bridge: string, rules: () => BridgeRules, signal: AbortSignal): Promise<readonly string[]> {
    return this.attempt(bridge, async () => {
      const { missing, surplus, unmetered } = await this.compare(bridge, rules, signal)
      for (const guard of unmetered) await this.putMeter(bridge, guard, signal)
      if (missing.length > 0) await this.add(bridge, missing, signal)
      for (const cookie of surplus) await this.ofctl(bridge, 'del-flows', [`cookie=${cookie}/-1`], signal)
      return describe(missing, surplus, unmetered)
    })
  }

  differences(bridge: string, rules: () => BridgeRules, signal: AbortSignal): Promise<readonly string[]> {
    return this.attempt(bridge, async () => {
      const { missing, surplus, unmetered } = await this.compare(bridge, rules, signal)
      return describe(missing, surplus, unmetered)
    })
  }

  private async compare(
    bridge: string,
    rulesOf: () => BridgeRules,
    signal: AbortSignal,
  ): Promise<{
    readonly missing: readonly Flow[]
    readonly surplus: readonly string[]
    readonly unmetered: readonly PortGuard[]
  }> {
    const before = rulesOf()
    const dump = await this.ofctl(bridge, 'dump-flows', [`cookie=${COOKIE_MASK}`], signal)
    const metered = before.guards.filter(({ meter }) => meter !== undefined)
    const meters = metered.length === 0 ? '' : await this.ofctl(bridge, 'dump-meters', [], signal)
    const after = rulesOf()
    const present = new Set([...dump.matchAll(/\bcookie=(0x[0-9a-f]+)/g)].map(([, cookie = '']) => cookie))
    const stillWanted = cookiesOf(bridgeFlows(after))
    const allowed = cookiesOf([FORWARDING, ...allowedFlows(before), ...allowedFlows(after)])
    return {
      missing: bridgeFlows(before).filter(({ cookie }) => !present.has(cookie) && stillWanted.has(cookie)),
      surplus: [...present].filter((cookie) => !allowed.has(cookie)),
      unmetered: metered.filter(
        (guard) =>
          !hasMeter(meters, guard.ofport, guard.meter?.rate ?? 0) &&
          portFlows(guard).every(({ cookie }) => stillWanted.has(cookie)),
      ),
    }
  }

  /** Idempotent: one command adds, the other changes, and each refuses what the other is for. */
  private async putMeter(bridge: string, { ofport, meter }: PortGuard, signal: AbortSignal): Promise<void> {
    const { rate = 0, burst = DEFAULT_BURST } = meter ?? {}
    const text = `meter=${ofport},kbps,burst,bands=type=drop,rate=${rate},burst_size=${burst}`
    try {
      await this.ofctl(bridge, 'mod-meter', [text], signal)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      await this.ofctl(bridge, 'add-meter', [text], signal)
    }
  }

  private async deletePortFlows(bridge: string, ofport: number, signal: AbortSignal): Promise<void> {
    await this.ofctl(bridge, 'del-flows', [`cookie=${COOKIE_MASK},in_port=${ofport}`], signal)
  }

  /** In one bundle: all of them or none, and no moment with a part of them. */
  private async add(bridge: string, flows: readonly Flow[], signal: AbortSignal): Promise<void> {
    const input = flows.map(({ text }) => `${text}\n`).join('')
    await this.ofctl(bridge, 'add-flows', ['-'], signal, ['--bundle'], input)
  }

  private async ofctl(
    bridge: string,
    command: string,
    args: readonly string[],
    signal: AbortSignal,
    options: readonly string[] = [],
    input?: string,
  ): Promise<string> {
    const directory = this.socketDirectory()
    if (directory === undefined) throw DriverError.of('FLOWS_UNREACHABLE', [bridge])
    const target = `unix:${directory}/${bridge}.mgmt`
    const { stdout } = await this.run('ovs-ofctl', [...VERSION, ...options, command, target, ...args], {
      signal,
      ...(input === undefined ? {} : { input }),
    })
    return stdout
  }

  private async attempt<T>(bridge: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof DriverError) throw error
      throw DriverError.of('FLOWS_FAILED', [bridge, reasonOf(error)], { cause: error })
    }
  }
}

function allowedFlows(rules: BridgeRules): readonly Flow[] {
  return [...bridgeFlows(rules), ...rules.vacant.flatMap(portFlows)]
}

function cookiesOf(flows: readonly Flow[]): ReadonlySet<string> {
  return new Set(flows.map(({ cookie }) => cookie))
}

/** dump-meters prints `meter=3 kbps burst bands=\ntype=drop rate=1000 burst_size=8000`. */
function hasMeter(dump: string, id: number, rate: number): boolean {
  const [, found] = new RegExp(`\\bmeter[=:]${id}\\b[^]*?\\brate=(\\d+)`).exec(dump) ?? []
  return found === String(rate)
}

function describe(
  missing: readonly Flow[],
  surplus: readonly string[],
  unmetered: readonly PortGuard[],
): readonly string[] {
  return [
    ...missing.map(({ text }) => `flow ${text} is missing`),
    ...surplus.map((cookie) => `flow ${cookie} is one too many`),
    ...unmetered.map(({ ofport }) => `meter ${ofport} is missing or has another rate`),
  ]
}

import { setTimeout as sleep } from 'node:timers/promises'
import { tryRun } from '../e2e/host/command'
import type { Engine } from '../e2e/host/engines'
import type { TestHost } from '../e2e/host/host'
import { pluginName, startHost } from '../e2e/host/host'
import { enterContainer } from '../e2e/outside'
import type { DriverName } from './api'
import { api, createNetwork, DRIVER_NAMES, DRIVERS, networkOf, PREFIXES, removeNetwork } from './api'
import type { Samples } from './measure'
import { interleave, nothing } from './measure'
import { startProberEcho, startProber } from './prober'

const ROUNDS = 20
const AT_ONCE = 20
/** For a prober to notice that nobody answers any more. */
const PATH_CUT_MS = 200

/** What users of Docker wait for, with this driver and with Docker's own bridge driver, by the engine's API. */
export async function engine(bundle: string, release: Engine): Promise<readonly Samples[]> {
  const host = await startHost({ engine: release, name: 'bench-engine' })
  try {
    await host.importBusybox()
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
    const samples = [
      ...(await networks(host)),
      ...(await connections(host)),
      ...(await firstPings(host)),
      ...(await runs(host)),
    ]
    return samples.map((sample) => ({ ...sample, name: `${sample.name}_${release}` }))
  } finally {
    await host.stop()
  }
}

async function networks(host: TestHost): Promise<readonly Samples[]> {
  const of = async (driver: DriverName) => ({
    [`netcreate_${driver}`]: async () => {
      await createNetwork(host, driver)
      return () => removeNetwork(host, driver)
    },
    [`netremove_${driver}`]: await removal(host, driver),
  })
  return interleave(ROUNDS, { ...(await of('ovs')), ...(await of('bridge')) })
}

/** Times the removal of a network that the round before made. */
async function removal(host: TestHost, driver: DriverName): Promise<() => Promise<() => Promise<void>>> {
  const name = `spare-${driver}`
  const create = async (): Promise<void> => {
    await api(host, 'POST', '/networks/create', {
      Name: name,
      Driver: DRIVERS[driver],
      IPAM: { Config: [{ Subnet: driver === 'ovs' ? '10.81.0.0/16' : '10.82.0.0/16' }] },
    })
  }
  await create()
  return async () => {
    await api(host, 'DELETE', `/networks/${name}`)
    return create
  }
}

/** A network of each driver, and a container that is on none. */
async function withNetworks<T>(host: TestHost, work: () => Promise<T>): Promise<T> {
  await host.sh('docker network rm spare-ovs spare-bridge 2>/dev/null || true')
  await createNetwork(host, 'ovs')
  await createNetwork(host, 'bridge')
  await host.sh(`
    docker run -d --name idle --net none busybox:test sleep 3600
    docker network disconnect none idle
    docker run -d --name peer-ovs --net bench-ovs --ip 10.80.9.9 busybox:test sleep 3600
    docker run -d --name peer-bridge --net bench-bridge --ip 10.90.9.9 busybox:test sleep 3600`)
  try {
    return await work()
  } finally {
    // Engine 20.10 forgets an endpoint of its own bridge driver now and then.
    await host.sh(`
      docker ps -aq | xargs -r docker rm -f >/dev/null
      for network in bench-ovs bench-bridge; do
        docker network inspect -f '{{range .Containers}}{{println .Name}}{{end}}' $network |
          xargs -r -n 1 docker network disconnect -f $network
        docker network rm $network >/dev/null
      done`)
  }
}

async function connections(host: TestHost): Promise<readonly Samples[]> {
  return withNetworks(host, async () => {
    const connect = (driver: DriverName): Promise<string> =>
      api(host, 'POST', `/networks/${networkOf(driver)}/connect`, { Container: 'idle' })
    const disconnect = async (driver: DriverName): Promise<void> => {
      await api(host, 'POST', `/networks/${networkOf(driver)}/disconnect`, { Container: 'idle' })
    }
    const of = (driver: DriverName) => ({
      [`connect_${driver}`]: async () => {
        await connect(driver)
        return () => disconnect(driver)
      },
    })
    const connected = await interleave(ROUNDS, { ...of('ovs'), ...of('bridge') })
    const disconnected: Record<DriverName, number[]> = { ovs: [], bridge: [] }
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const driver of DRIVER_NAMES) {
        await connect(driver)
        const start = performance.now()
        await disconnect(driver)
        if (round > 0) disconnected[driver].push(performance.now() - start)
      }
    }
    return [
      ...connected,
      ...Object.entries(disconnected).map(
        ([driver, values]): Samples => ({ name: `disconnect_${driver}`, unit: 'ms', values }),
      ),
    ]
  })
}

/** From the request to connect until the container is first answered by another one. */
async function firstPings(host: TestHost): Promise<readonly Samples[]> {
  return withNetworks(host, async () => {
    const samples: Samples[] = []
    const helpers: { stop(): void }[] = []
    try {
      const of = async (driver: DriverName) => {
        helpers.push(await startProberEcho(await enterContainer(host, `peer-${driver}`)))
        const prober = await startProber(await enterContainer(host, 'idle'), `${PREFIXES[driver]}.9.9`)
        helpers.push(prober)
        return {
          [`first_ping_${driver}`]: async () => {
            await Promise.all([
              api(host, 'POST', `/networks/${networkOf(driver)}/connect`, { Container: 'idle' }),
              prober.nextAnswer(),
            ])
            return async () => {
              await api(host, 'POST', `/networks/${networkOf(driver)}/disconnect`, { Container: 'idle' })
              await sleep(PATH_CUT_MS)
            }
          },
        }
      }
      samples.push(...(await interleave(ROUNDS, { ...(await of('ovs')), ...(await of('bridge')) })))
    } finally {
      for (const helper of helpers) helper.stop()
    }
    return samples
  })
}

async function runs(host: TestHost): Promise<readonly Samples[]> {
  return withNetworks(host, async () => {
    const one = (driver: DriverName) => ({
      [`run_${driver}`]: async () => {
        await host.docker('run', '--rm', '--net', networkOf(driver), 'busybox:test', 'true')
        return nothing
      },
    })
    const many = (driver: DriverName) => ({
      [`run20_${driver}`]: async () => {
        const command = ['docker', 'run', '--rm', '--net', networkOf(driver), 'busybox:test', 'true']
        const enter = ['nsenter', '-t', String(host.pid), '-m', '-n', '-u', '-i', '-p', '-C', '--'] as const
        await Promise.all(Array.from({ length: AT_ONCE }, () => tryRun([...enter, ...command])))
        return nothing
      },
    })
    return [
      ...(await interleave(10, { ...one('ovs'), ...one('bridge') })),
      ...(await interleave(4, { ...many('ovs'), ...many('bridge') })),
    ]
  })
}

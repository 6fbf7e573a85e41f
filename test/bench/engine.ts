import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../e2e/host/engines'
import type { TestHost } from '../e2e/host/host'
import { enterContainer } from '../e2e/outside'
import { api } from './api'
import type { DriverName } from './drivers'
import {
  addressOf,
  createNetwork,
  networkOf,
  prepareDrivers,
  removeLeftNetwork,
  removeNetwork,
} from './drivers'
import type { Samples, Subject } from './measure'
import { interleave, nothing } from './measure'
import type { Plan } from './plan'
import { PATH_CUT_MS, startProber, startProberEcho } from './prober'
import { startSubject } from './subject'

const AT_ONCE = 20
/** Of the container that others are connected to. */
const PEER = 9

/** What users of Docker wait for, with this driver and with Docker's own, by the engine's API. */
export async function engine(bundle: string, release: Engine, plan: Plan): Promise<readonly Samples[]> {
  const host = await startSubject(bundle, release, 'bench-engine')
  try {
    await prepareDrivers(host, plan.drivers)
    const samples = [
      ...(await networks(host, plan)),
      ...(await connections(host, plan)),
      ...(await firstPings(host, plan)),
      ...(await runs(host, plan)),
    ]
    return samples.map((sample) => ({ ...sample, name: `${sample.name}_${release}` }))
  } finally {
    await host.stop()
  }
}

async function networks(host: TestHost, { drivers, rounds }: Plan): Promise<readonly Samples[]> {
  const subjects: Record<string, Subject> = {}
  for (const driver of drivers) {
    subjects[`netcreate_${driver}`] = async () => {
      await createNetwork(host, driver)
      return () => removeNetwork(host, driver)
    }
    subjects[`netremove_${driver}`] = await removal(host, driver)
  }
  const samples = await interleave(rounds.networks, subjects)
  for (const driver of drivers) await removeNetwork(host, driver, 'spare')
  return samples
}

/** Times the removal of a network that the round before made. */
async function removal(host: TestHost, driver: DriverName): Promise<Subject> {
  const create = (): Promise<void> => createNetwork(host, driver, { role: 'spare' })
  await create()
  return async () => {
    await removeNetwork(host, driver, 'spare')
    return create
  }
}

/** A network of each driver, and a container that is on none. */
async function withNetworks<T>(
  host: TestHost,
  drivers: readonly DriverName[],
  work: () => Promise<T>,
): Promise<T> {
  await host.sh(`
    docker run -d --name idle --net none busybox:test sleep 3600
    docker network disconnect none idle`)
  for (const driver of drivers) {
    await createNetwork(host, driver)
    const network = ['--net', networkOf(driver), '--ip', addressOf(driver, PEER)]
    await host.docker('run', '-d', '--name', `peer-${driver}`, ...network, 'busybox:test', 'sleep', '3600')
  }
  try {
    return await work()
  } finally {
    // Engine 20.10 forgets an endpoint of its own bridge driver now and then.
    await host.sh(`
      docker ps -aq | xargs -r docker rm -f >/dev/null
      for network in ${drivers.map((driver) => networkOf(driver)).join(' ')}; do
        docker network inspect -f '{{range .Containers}}{{println .Name}}{{end}}' $network |
          xargs -r -n 1 docker network disconnect -f $network
      done`)
    for (const driver of drivers) await removeLeftNetwork(host, driver)
  }
}

const connect = async (host: TestHost, driver: DriverName): Promise<void> => {
  await api(host, 'POST', `/networks/${networkOf(driver)}/connect`, { Container: 'idle' })
}

const disconnect = async (host: TestHost, driver: DriverName): Promise<void> => {
  await api(host, 'POST', `/networks/${networkOf(driver)}/disconnect`, { Container: 'idle' })
}

async function connections(host: TestHost, { drivers, rounds }: Plan): Promise<readonly Samples[]> {
  return withNetworks(host, drivers, async () => {
    const of = (driver: DriverName): readonly [string, Subject] => [
      `connect_${driver}`,
      async () => {
        await connect(host, driver)
        return () => disconnect(host, driver)
      },
    ]
    const connected = await interleave(rounds.connections, Object.fromEntries(drivers.map(of)))
    const disconnected = new Map(drivers.map((driver) => [driver, [] as number[]]))
    for (let round = 0; round <= rounds.connections; round += 1) {
      for (const driver of drivers) {
        await connect(host, driver)
        const start = performance.now()
        await disconnect(host, driver)
        if (round > 0) disconnected.get(driver)?.push(performance.now() - start)
      }
    }
    return [
      ...connected,
      ...[...disconnected].map(([driver, values]): Samples => ({
        name: `disconnect_${driver}`,
        unit: 'ms',
        values,
      })),
    ]
  })
}

/** From the request to connect until the container is first answered by another one. */
async function firstPings(host: TestHost, { drivers, rounds }: Plan): Promise<readonly Samples[]> {
  return withNetworks(host, drivers, async () => {
    const helpers: { stop(): void }[] = []
    try {
      const subjects: Record<string, Subject> = {}
      for (const driver of drivers) {
        helpers.push(await startProberEcho(await enterContainer(host, `peer-${driver}`)))
        const prober = await startProber(await enterContainer(host, 'idle'), addressOf(driver, PEER))
        helpers.push(prober)
        subjects[`first_ping_${driver}`] = async () => {
          await Promise.all([connect(host, driver), prober.nextAnswer()])
          return async () => {
            await disconnect(host, driver)
            await sleep(PATH_CUT_MS)
          }
        }
      }
      return await interleave(rounds.firstPings, subjects)
    } finally {
      for (const helper of helpers) helper.stop()
    }
  })
}

async function runs(host: TestHost, { drivers, rounds }: Plan): Promise<readonly Samples[]> {
  return withNetworks(host, drivers, async () => {
    const run = async (driver: DriverName): Promise<void> => {
      await host.docker('run', '--rm', '--net', networkOf(driver), 'busybox:test', 'true')
    }
    const one = (driver: DriverName): readonly [string, Subject] => [
      `run_${driver}`,
      async () => {
        await run(driver)
        return nothing
      },
    ]
    const many = (driver: DriverName): readonly [string, Subject] => [
      `run20_${driver}`,
      async () => {
        await Promise.all(Array.from({ length: AT_ONCE }, () => run(driver)))
        return nothing
      },
    ]
    return [
      ...(await interleave(rounds.runs, Object.fromEntries(drivers.map(one)))),
      ...(await interleave(rounds.runsAtOnce, Object.fromEntries(drivers.map(many)))),
    ]
  })
}

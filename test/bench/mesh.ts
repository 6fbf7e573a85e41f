import type { TestHost } from '../e2e/host/host'
import type { Wire } from '../e2e/host/join'
import { joinHosts } from '../e2e/host/join'
import { enterContainer } from '../e2e/outside'
import type { Samples } from './measure'
import type { Path } from './paths'
import { comparePaths } from './paths'
import type { Plan } from './plan'
import type { Span } from './spans'
import { SPANS } from './spans'
import { expectKernelDatapath, startSubject } from './subject'

/** From a container of one host to one of another, over each of the plan's spans. */
export async function mesh(bundle: string, plan: Plan): Promise<readonly Samples[]> {
  const hosts: TestHost[] = []
  let wire: Wire | undefined
  try {
    for (const letter of ['a', 'b']) hosts.push(await startSubject(bundle, '28.5', `bench-${letter}`))
    const [a, b] = hosts
    if (a === undefined || b === undefined) throw new Error('no hosts')
    wire = await joinHosts(hosts)
    const paths: Record<string, Path> = {}
    for (const name of plan.spans) {
      const span = SPANS[name]
      await span.create(hosts)
      for (const [index, host] of hosts.entries()) await runContainer(host, index, span)
      const [from, to] = [await enterContainer(a, span.network), await enterContainer(b, span.network)]
      paths[name] = { from, to, address: addressOf(span, 1) }
    }
    if (plan.isOnKernelDatapath) await expectKernelDatapath(a)
    return await comparePaths(paths, plan.rounds.paths)
  } finally {
    for (const host of hosts) await host.stop()
    await wire?.dispose()
  }
}

const addressOf = ({ prefix }: Span, index: number): string => `${prefix}.${index + 1}.10`

async function runContainer(host: TestHost, index: number, span: Span): Promise<void> {
  const network = ['--net', span.network, '--ip', addressOf(span, index)]
  await host.docker('run', '-d', '--name', span.network, ...network, 'busybox:test', 'sleep', '3600')
}

import { spawn } from 'node:child_process'
import { chosenEngines } from '../e2e/host/engines'
import { pluginName, startHost } from '../e2e/host/host'

/**
 * `lab <bundle folder>`: a host with a Docker Engine, the plugin and an image, and a shell in it on this terminal; all of
 * it goes when the shell ends. LAB_TERMINAL=own where the terminal belongs to no session yet, as a guest's console.
 */
async function main(): Promise<void> {
  const [bundle = ''] = process.argv.slice(2)
  const engine = chosenEngines().at(-1) ?? '28.5'
  // The shell's: the host goes when it ends.
  process.on('SIGINT', () => undefined)
  say(`starting a host with Docker Engine ${engine} and the plugin`)
  const host = await startHost({ engine, name: 'lab' })
  try {
    await host.importBusybox()
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
    // It fails where the kernel has none; whether a bridge is there already does not matter.
    const datapath = await host.ovsOf(pluginName, 'ovs-dpctl', 'dump-dps').then(
      () => "kernel's",
      () => 'userspace',
    )
    say(`ready, on the ${datapath} datapath. Try:
  docker network create -d ${pluginName} mynet
  docker run -d --net mynet --name web busybox:test httpd -f -h /etc
  docker run --rm --net mynet busybox:test ping -c 2 web
  nsenter -t "$(pgrep -x dovesnap-ovs)" -m -p ovs-vsctl show
exit, or Ctrl-D, ends and removes the host`)
    await shell(host.pid)
  } finally {
    await host.stop()
  }
}

function shell(pid: number): Promise<void> {
  const terminal = process.env['LAB_TERMINAL'] === 'own' ? ['setsid', '--ctty', '--wait'] : []
  const enter = ['nsenter', '-t', String(pid), '-m', '-n', '-u', '-i', '-p', '-C', '--']
  const [command, ...args] = [...terminal, ...enter, 'bash', '-i'] as const
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, PS1: '\\h:\\w\\$ ' } })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      resolve()
    })
  })
}

function say(line: string): void {
  process.stdout.write(`lab: ${line}\n`)
}

void main()

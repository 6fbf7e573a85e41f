// Which test files run where:
//   seconds    about how long in a guest, so that the longest begin first and both guests end together
//   releases   depends on the engine's release: runs on every one, not on the newest alone
//   file       those named kernel-… need features that only the guests' kernel is sure to have: no other lane runs them
//   switches   depends on the host's own Open vSwitch, which each engine's root file system has in another release: guests
//              run it on every engine
//   datapath   what the datapath can change, which CI runs on the kernel's as well: all of the file, or tests by name
import { readdirSync } from 'node:fs'

const PLAN = [
  { file: 'e2e/harness', seconds: 40, releases: true },
  { file: 'e2e/connectivity', seconds: 240, releases: true, datapath: 'connectivity|MTU' },
  { file: 'e2e/faults', seconds: 160, datapath: true },
  {
    file: 'e2e/routing',
    seconds: 260,
    releases: true,
    datapath: 'outside over both|apart from each other|no way out|icc off',
  },
  { file: 'e2e/lifecycle', seconds: 240, releases: true, datapath: 'without a trace' },
  { file: 'e2e/publishing', seconds: 340, releases: true, datapath: true },
  { file: 'e2e/scale', seconds: 190 },
  { file: 'e2e/upkeep', seconds: 260, releases: true, datapath: 'live-restore|reboot|created again' },
  { file: 'e2e/plugin', seconds: 240, releases: true, datapath: 'disable' },
  { file: 'e2e/uplinks', seconds: 240, datapath: true },
  { file: 'e2e/openflow', seconds: 240, datapath: true },
  { file: 'e2e/mesh', seconds: 400, datapath: 'MTU leaves room|exactly once' },
  { file: 'e2e/own-tunnels', seconds: 160, datapath: true },
  { file: 'e2e/kernel-vlans', seconds: 210, datapath: 'on the kernel datapath' },
  { file: 'e2e/kernel-bonds', seconds: 160 },
  { file: 'e2e/kernel-tunnels', seconds: 300, datapath: 'geneve and IPv4' },
  { file: 'e2e/kernel-rates', seconds: 240 },
  { file: 'e2e/kernel-sctp', seconds: 120 },
  {
    file: 'e2e/kernel-upkeep',
    seconds: 300,
    datapath: 'ovs-vswitchd is killed|disabled by force and enabled',
  },
  { file: 'e2e/kernel-swarm', seconds: 300 },
  {
    file: 'e2e/kernel-host-switch',
    seconds: 200,
    datapath: 'uses it|disabled|ovs-vswitchd is killed',
    switches: true,
  },
  { file: 'e2e/host-switch', seconds: 320 },
  // What the driver asks of the switch and of the kernel.
  { file: 'integration/driver/(bridge-options|endpoints|port-options|reconcile|routed)', seconds: 300 },
  { file: 'e2e/firewalls', seconds: 360 },
  { file: 'e2e/other-hosts', seconds: 360 },
]

const listed = PLAN.map(({ file }) => file)
const present = readdirSync('test/e2e').flatMap((name) =>
  name.endsWith('.test.ts') ? [`e2e/${name.slice(0, -8)}`] : [],
)
const astray = [
  ...present.filter((file) => !listed.includes(file)),
  ...listed.filter((file) => file.startsWith('e2e/') && !present.includes(file)),
]
if (astray.length > 0) throw new Error(`test/lab/plan.mjs and test/e2e differ: ${astray.join(', ')}`)

/** The e2e files that run on every release and whose names have this part, as jest takes them. */
export function releaseFiles(part) {
  return PLAN.filter(({ file, releases }) => releases === true && file.includes(part)).map(pathOf)
}

/**
 * What guests run, the longest first, with the engine and jest's arguments.
 *
 * @param scope 'kernel' for all, or 'datapath' for what CI runs
 * @param engines the newest last, which runs everything
 */
export function guestTests(scope, engines, { file: part = '', test = '' }) {
  return PLAN.filter(({ datapath }) => scope === 'kernel' || datapath !== undefined)
    .filter(({ file }) => file.includes(part))
    .flatMap((entry) =>
      (entry.switches === true ? engines : engines.slice(-1)).map((engine) => ({ ...entry, engine })),
    )
    .map((entry) => {
      const pattern =
        test !== '' ? test : scope === 'datapath' && entry.datapath !== true ? entry.datapath : ''
      return {
        name: `${entry.file.replaceAll(/\W+/g, '-')}-${entry.engine}`,
        seconds: entry.seconds,
        engine: entry.engine,
        arguments: [
          ...['--selectProjects', projectOf(entry), '--testPathPatterns', pathOf(entry)],
          ...(pattern === '' ? [] : ['--testNamePattern', pattern]),
        ],
      }
    })
    .sort((a, b) => b.seconds - a.seconds)
}

function projectOf({ file }) {
  return file.startsWith('e2e/kernel-') ? 'guest' : file.split('/')[0]
}

function pathOf({ file }) {
  return `test/${file}\\.test`
}

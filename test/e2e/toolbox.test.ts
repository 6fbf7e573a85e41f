import type { Lan } from './lan'
import { addLan } from './lan'
import { furnishWithPlugin, onHost } from './scene'
import { monitoring } from './suites/monitoring'
import { openFlow } from './suites/openflow'
import { uplinks } from './suites/uplinks'

let lan: Lan

onHost(
  {
    title: 'the toolbox on engine %s',
    name: 'toolbox',
    seconds: 60,
    async furnish(host) {
      await furnishWithPlugin(host)
      lan = await addLan(host)
    },
  },
  (host) => {
    uplinks(host, () => lan)
    openFlow(host)
    monitoring(host)
  },
)

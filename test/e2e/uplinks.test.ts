import type { Lan } from './lan'
import { addLan } from './lan'
import { furnishWithPlugin, onHost } from './scene'
import { uplinks } from './suites/uplinks'

let lan: Lan

onHost(
  {
    title: 'the toolbox on engine %s',
    name: 'uplinks',
    seconds: 60,
    async furnish(host) {
      await furnishWithPlugin(host)
      lan = await addLan(host)
    },
  },
  (host) => {
    uplinks(host, () => lan)
  },
)

import { furnishWithPlugin, onHost } from './scene'
import { monitoring } from './suites/monitoring'
import { openFlow } from './suites/openflow'

onHost(
  { title: 'the toolbox on engine %s', name: 'openflow', seconds: 60, furnish: furnishWithPlugin },
  (host) => {
    openFlow(host)
    monitoring(host)
  },
)

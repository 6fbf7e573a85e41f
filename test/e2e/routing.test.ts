import { furnishWithPlugin, onHost } from './scene'
import { routing } from './suites/routing'

onHost({ title: 'engine %s', name: 'routing', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  routing(host)
})

import { bundle, furnishWithPlugin, onHost } from './scene'
import { plugin } from './suites/plugin'
import { scale } from './suites/scale'
import { upkeep } from './suites/upkeep'

onHost({ title: 'engine %s', name: 'upkeep', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  scale(host)
  upkeep(host, bundle)
  plugin(host, bundle)
})

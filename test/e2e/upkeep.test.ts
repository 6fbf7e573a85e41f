import { bundle, furnishWithPlugin, onHost } from './scene'
import { upkeep } from './suites/upkeep'

onHost({ title: 'engine %s', name: 'upkeep', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  upkeep(host, bundle)
})

import { bundle, furnishWithPlugin, onHost } from './scene'
import { plugin } from './suites/plugin'

onHost({ title: 'engine %s', name: 'plugin', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  plugin(host, bundle)
})

import { furnishWithPlugin, onHost } from './scene'
import { faults } from './suites/faults'

onHost({ title: 'engine %s', name: 'faults', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  faults(host)
})

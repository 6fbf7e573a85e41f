import { furnishWithPlugin, onHost } from './scene'
import { addressing } from './suites/addressing'
import { connectivity } from './suites/connectivity'
import { faults } from './suites/faults'
import { routing } from './suites/routing'

onHost({ title: 'engine %s', name: 'networks', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  connectivity(host)
  addressing(host)
  faults(host)
  routing(host)
})

import { furnishWithPlugin, onHost } from './scene'
import { addressing } from './suites/addressing'
import { connectivity } from './suites/connectivity'

onHost({ title: 'engine %s', name: 'networks', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  addressing(host)
  connectivity(host)
})

import { furnishWithPlugin, onHost } from './scene'
import { addressing } from './suites/addressing'
import { badInput } from './suites/bad-input'
import { connectivity } from './suites/connectivity'
import { faults } from './suites/faults'
import { isolation } from './suites/isolation'
import { lifecycle } from './suites/lifecycle'
import { privileges } from './suites/privileges'
import { publishing } from './suites/publishing'
import { routing } from './suites/routing'

onHost({ title: 'engine %s', name: 'engine', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  connectivity(host)
  addressing(host)
  lifecycle(host)
  faults(host)
  isolation(host)
  routing(host)
  publishing(host)
  privileges(host)
  badInput(host)
})

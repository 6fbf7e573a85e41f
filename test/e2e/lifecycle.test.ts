import { furnishWithPlugin, onHost } from './scene'
import { badInput } from './suites/bad-input'
import { lifecycle } from './suites/lifecycle'
import { privileges } from './suites/privileges'

onHost({ title: 'engine %s', name: 'host', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  badInput(host)
  lifecycle(host)
  privileges(host)
})

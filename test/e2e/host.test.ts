import { furnishWithPlugin, onHost } from './scene'
import { badInput } from './suites/bad-input'
import { isolation } from './suites/isolation'
import { lifecycle } from './suites/lifecycle'
import { privileges } from './suites/privileges'
import { publishing } from './suites/publishing'

onHost({ title: 'engine %s', name: 'host', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  lifecycle(host)
  isolation(host)
  publishing(host)
  privileges(host)
  badInput(host)
})

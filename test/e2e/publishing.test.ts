import { furnishWithPlugin, onHost } from './scene'
import { isolation } from './suites/isolation'
import { publishing } from './suites/publishing'

onHost({ title: 'engine %s', name: 'publishing', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  isolation(host)
  publishing(host)
})

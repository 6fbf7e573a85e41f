import { furnishWithPlugin, onHost } from './scene'
import { scale } from './suites/scale'

onHost({ title: 'engine %s', name: 'scale', seconds: 60, furnish: furnishWithPlugin }, (host) => {
  scale(host)
})

import { onEveryEngine } from './scene'
import { plugin } from './suites/plugin'
import { scale } from './suites/scale'
import { upkeep } from './suites/upkeep'

onEveryEngine('upkeep', (host, bundle) => {
  scale(host)
  upkeep(host, bundle)
  plugin(host, bundle)
})

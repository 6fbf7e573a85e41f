import { onEveryEngine } from './scene'
import { faults } from './suites/faults'
import { plugin } from './suites/plugin'
import { scale } from './suites/scale'
import { upkeep } from './suites/upkeep'

onEveryEngine('upkeep', (host, bundle) => {
  scale(host)
  faults(host)
  upkeep(host, bundle)
  plugin(host, bundle)
})

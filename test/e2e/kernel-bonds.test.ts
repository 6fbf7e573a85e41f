import { describe } from '@jest/globals'
import { DATAPATHS } from './datapaths'
import type { FarMachine } from './far-machine'
import { addFarMachine } from './far-machine'
import { furnishWithPlugin, onHost } from './scene'
import { bonds } from './suites/bonds'

let far: FarMachine

onHost(
  {
    title: 'bonds on engine %s',
    name: 'bonds',
    seconds: 90,
    async furnish(host) {
      await furnishWithPlugin(host)
      far = await addFarMachine(host)
    },
  },
  (host) => {
    describe.each(DATAPATHS)('on the %s datapath', (_, datapath) => {
      bonds(host, () => far, datapath)
    })
  },
)

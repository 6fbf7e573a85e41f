import { describe } from '@jest/globals'
import { DATAPATHS } from './datapaths'
import type { FarMachine } from './far-machine'
import { addFarMachine } from './far-machine'
import { furnishWithPlugin, onHost } from './scene'
import { qinq } from './suites/qinq'
import { trunks } from './suites/trunks'

let far: FarMachine

onHost(
  {
    title: 'VLANs of containers on engine %s',
    name: 'vlans',
    seconds: 60,
    async furnish(host) {
      await furnishWithPlugin(host)
      far = await addFarMachine(host)
      await far.sh(`
        for vlan in 10 20 30; do
          ip link add link far2 name far2.$vlan up type vlan id $vlan
          ip address add 10.$vlan.0.9/24 dev far2.$vlan
        done
        ip link add link far2 name outer up type vlan proto 802.1ad id 100
        ip address add 10.1.0.9/24 dev outer
        ip link add link outer name inner up type vlan id 10
        ip address add 10.11.0.9/24 dev inner`)
    },
  },
  (host) => {
    describe.each(DATAPATHS)('on the %s datapath', (_, datapath) => {
      trunks(host, datapath)
      qinq(host, () => far, datapath)
    })
  },
)

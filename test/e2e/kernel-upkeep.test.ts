import { bundle, furnishWithPlugin, onHost } from './scene'
import { embeddedUpkeep } from './suites/embedded-upkeep'

onHost(
  {
    title: 'engine %s with the embedded switch on the kernel datapath',
    name: 'embedded',
    seconds: 120,
    furnish: furnishWithPlugin,
  },
  (host) => {
    embeddedUpkeep(host, bundle)
  },
)

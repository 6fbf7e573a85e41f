/** The two datapaths, each with the option that asks for it: a guest's kernel has what both need. */
export const DATAPATHS = [
  ['kernel', 'ovs.bridge.userspace=false'],
  ['userspace', 'ovs.bridge.userspace=true'],
] as const

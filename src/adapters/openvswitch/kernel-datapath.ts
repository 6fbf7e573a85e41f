import type { Run } from '../process/run'

/**
 * Whether the kernel has the openvswitch datapath. ovs-dpctl asks for its generic netlink family, which makes the
 * kernel load the module where it can (CAP_NET_ADMIN suffices), and fails where there is none; /sys/module would not
 * show a module that is built in.
 */
export async function hasKernelDatapath(run: Run, signal: AbortSignal): Promise<boolean> {
  try {
    await run('ovs-dpctl', ['dump-dps'], { signal })
    return true
  } catch {
    return false
  }
}

import type { Firewall } from '../../driver/firewall'

/** {@link Firewall} for hosts whose rules are somebody else's business (FIREWALL=none). */
export class NoFirewall implements Firewall {
  ensureNetwork(): Promise<void> {
    return Promise.resolve()
  }

  removeNetwork(): Promise<void> {
    return Promise.resolve()
  }

  publish(): Promise<void> {
    return Promise.resolve()
  }

  unpublish(): Promise<void> {
    return Promise.resolve()
  }

  differences(): Promise<readonly string[]> {
    return Promise.resolve([])
  }

  reconcile(): Promise<readonly string[]> {
    return Promise.resolve([])
  }
}

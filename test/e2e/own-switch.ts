import type { TestHost } from './host/host'

/** The host's packages, as its init system starts them: a database if there is none yet, and the daemons that do not run. */
export async function startSwitch(host: TestHost): Promise<void> {
  await host.sh(`
    mkdir -p /run/openvswitch /etc/openvswitch
    cd /etc/openvswitch
    [ -e conf.db ] || ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
    pgrep -x ovsdb-server >/dev/null || ovsdb-server conf.db --remote=punix:/run/openvswitch/db.sock \\
      --pidfile --detach --no-chdir --log-file=/var/log/ovsdb-server.log 2>/dev/null
    ovs-vsctl --no-wait init
    pgrep -x ovs-vswitchd >/dev/null || ovs-vswitchd unix:/run/openvswitch/db.sock \\
      --pidfile --detach --log-file=/var/log/ovs-vswitchd.log 2>/dev/null`)
}

#!/bin/bash
# A guest's first process: runs /lane/task and turns the machine off. The kernel's command line names the folder of the
# machine that is /lane here. Returning would panic the kernel.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=${TERM:-dumb}
exec 2>&1
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /lane /engine
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t hostfs -o "hostfs=$(sed -n 's/.*\blane=\([^ ]*\).*/\1/p' /proc/cmdline)" none /lane
[ ! -b /dev/ubdb ] || mount -o ro /dev/ubdb /engine
ln -s /proc/self/fd /dev/fd
hostname guest
ip link set lo up
cd /repository
bash /lane/task
echo $? >/lane/status
sync
busybox poweroff -f
while :; do sleep 1; done

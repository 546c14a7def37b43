#!/usr/bin/env bash
# Boots the systemd of this machine as PID 1 of namespaces of its own, on a copy-on-write view of the root file system
# and without a network, runs SCRIPT as a service, and ends. The machine stays as it is.
# usage: boot-systemd.sh FOLDER, which contains
#   prepare    sourced before the boot; $root is the file system
#   script     run by bash once the system is up; FOLDER/out is /out
# Exits with 77 if this is not possible here: it needs root and the right to mount.
set -euo pipefail

folder=$1
if [[ "${2:-}" != inside ]]; then
    hierarchy=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET) || exit 77
    group=$hierarchy/boot-systemd-$$
    mkdir "$group" 2>/dev/null || exit 77
    # The new PID 1 moves its processes to groups below this one.
    bash -c 'echo $$ >"$1/cgroup.procs" || exit 77; exec unshare --mount --pid --fork --uts --ipc --net --cgroup \
        --kill-child -- bash "$2" "$3" inside' boot "$group" "$0" "$folder" && code=0 || code=$?
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    exit "$code"
fi

set_up() {
    mount --make-rprivate / || return
    mkdir -p "$folder/layer" "$folder/root"
    mount -t tmpfs tmpfs "$folder/layer" || return
    mkdir "$folder/layer/upper" "$folder/layer/work"
    root=$folder/root
    mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layer/upper,workdir=$folder/layer/work" "$root" || return
    mount -t proc proc "$root/proc" || return
    mount --bind "$root/proc/sys" "$root/proc/sys" || return
    mount -o remount,ro,bind "$root/proc/sys" || return
    mount -t sysfs -o ro sysfs "$root/sys" || return
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || return
    for place in run tmp; do mount -t tmpfs -o mode=755 tmpfs "$root/$place" || return; done
    chmod 1777 "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev" || return
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device" || return
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts" || return
    mount -t tmpfs tmpfs "$root/dev/shm" || return
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mkdir -p "$root/out" "$root/old"
    mount --bind "$folder/out" "$root/out" || return
    ip link set lo up || return
}
set_up || exit 77

# Only what the script starts: no service of this machine, and nothing for its hardware.
units=$root/etc/systemd/system
rm -rf "$units"
mkdir -p "$units"
for name in systemd-sysctl systemd-udevd systemd-udev-trigger systemd-modules-load systemd-remount-fs systemd-binfmt \
    systemd-tmpfiles-setup-dev systemd-machine-id-commit systemd-random-seed systemd-logind systemd-networkd \
    systemd-timesyncd systemd-resolved kmod-static-nodes networking ifupdown-pre; do
    ln -s /dev/null "$units/$name.service"
done
for name in dev-hugepages dev-mqueue sys-kernel-debug sys-kernel-tracing sys-kernel-config sys-fs-fuse-connections; do
    ln -s /dev/null "$units/$name.mount"
done
cp "$folder/script" "$root/usr/local/bin/script"
cat >"$units/script.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Wants=basic.target
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /usr/local/bin/script
StandardOutput=file:/out/script.log
StandardError=inherit
ExecStopPost=/bin/systemctl exit --force
TimeoutStartSec=90
UNIT
# shellcheck source=/dev/null
source "$folder/prepare"

cd "$root"
pivot_root . old
umount --lazy /old
# Credentials are mounted in a namespace from which they must reach this one.
mount --make-rshared /
exec setpriv --bounding-set -sys_boot,-sys_module,-sys_time,-sys_rawio,-syslog -- \
    env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=script.service \
    --log-target=console --show-status=no --log-level=err

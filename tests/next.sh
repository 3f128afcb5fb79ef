#!/bin/sh
# tests/next.sh ROOT PYTEST-ARGUMENT…: runs pytest on the QEMU, libvirt, ethtool and Python of Debian 13, as root.
#
# `make test-next` calls it, with the packages in PACKAGES. They are installed into ROOT, which is kept for the next
# run and made anew when packages or constraints.txt change. The tests run in namespaces of their own: ROOT is
# read-only there and a copy of this checkout is in a tmpfs, so a run ends, however it ends, without a trace.
set -eu
SUITE=trixie

root=$1
shift
cd "$(dirname "$0")/.."

wanted() {
    echo "$SUITE" "$PACKAGES"
    cat constraints.txt
}

# Debian's mirror as this machine's apt knows it; where it knows none, mmdebstrap has one.
# shellcheck disable=SC2016 # apt-get's variable
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1
}

# mmdebstrap mounts /proc and /sys below ROOT; in a mount namespace they end with it, also when it is killed.
# Only this machine has a package index and what it takes to get to it, so wheels are fetched here and built inside.
build() {
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    # shellcheck disable=SC2046 # none or one
    unshare --mount mmdebstrap --quiet --mode=root --variant=minbase --include="$PACKAGES" "$SUITE" "$root" $(mirror)
    python=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    mkdir "$root/wheels" "$root/rscvm"
    .venv/bin/pip download --quiet --no-deps --python-version "$python" --dest "$root/wheels" \
        --requirement constraints.txt setuptools wheel
    cp constraints.txt "$root/wheels/"
    chroot "$root" python3 -m venv /venv
    chroot "$root" /venv/bin/pip install --quiet --isolated --no-index --find-links /wheels --no-deps \
        --requirement /wheels/constraints.txt
    for site in "$root"/venv/lib/python*/site-packages; do
        echo /rscvm >"$site/rscvm.pth"
    done
    wanted >"$root/.made-of"
}

# Everything but `pivot_root` is undone by the end of the namespaces. A mere chroot would not do: who enters another
# mount namespace by nsenter, as the tests do, is in its root.
# shellcheck disable=SC2016 # run by the shell inside
INSIDE='
root=$1
shift
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
for own in run tmp rscvm dev; do mount -t tmpfs tmpfs "$root/$own"; done
chmod 1777 "$root/tmp"
tar --create --exclude=./build --exclude=./.venv --exclude=./.git . | tar --extract --no-same-owner -C "$root/rscvm"
version=$(sed -n "s/^version = \"\(.*\)\"/\1/p" pyproject.toml)
mkdir "$root/rscvm/rscvm.egg-info" # what an installed package tells of itself
printf "Metadata-Version: 2.1\nName: rscvm\nVersion: %s\n" "$version" >"$root/rscvm/rscvm.egg-info/PKG-INFO"
for kind in guest host; do
    mkdir -p "$root/rscvm/build/$kind"
    mount --bind "build/$kind" "$root/rscvm/build/$kind"
done
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
chmod 1777 "$root/dev/shm"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
    numbers=${node#*:}
    mknod -m 0666 "$root/dev/${node%%:*}" c "${numbers%:*}" "${numbers#*:}"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
for link in ptmx:pts/ptmx fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -s "${link#*:}" "$root/dev/${link%:*}"
done
cd "$root"
pivot_root . mnt
cd /rscvm
umount --lazy /mnt
qemu-system-x86_64 --version | head -n 1 >&2
libvirtd --version >&2
ethtool --version >&2
env -i HOME=/root PATH=/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}" CI="${CI:-}" \
    /venv/bin/python -m pytest -p no:cacheprovider "$@"
'

if ! wanted | cmp --silent - "$root/.made-of"; then
    build
fi
exec unshare --net --mount --uts --ipc --pid --fork --kill-child sh -euc "$INSIDE" sh "$root" "$@"

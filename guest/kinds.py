"""What goes into each kind of guest: its kernel, its programs, the packages they come from, and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# One row per kernel: the package that depends on it, and the modules loaded besides virtio_net.
# The cloud kernel boots faster and has neither e1000 nor e1000e.
_MODULES = ("virtio_pci", "virtio_console", "virtio_blk", "evdev", "button")
KERNELS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cloud": ("linux-image-cloud-amd64", _MODULES),
        "full": ("linux-image-amd64", (*_MODULES, "e1000e", "e1000")),
    }
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A guest; programs are where their package has them, and busybox is what they do not cover."""

    kernel: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    modules: tuple[str, ...] = ()
    """Loaded besides the kernel's."""
    later: tuple[str, ...] = ()
    """At hand, with the order in which who needs them loads them: they take time, and some make devices."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    unpacked: bool = False
    """Its kernel is written unpacked, too: for a full one that saves 3 s of CPU under TCG."""


GUEST = Kind(
    kernel="cloud",
    programs=("bin/busybox", "sbin/ethtool", "usr/bin/iperf3", "usr/sbin/qemu-ga"),
    packages=(
        "busybox-static",
        "ethtool",
        "iperf3",
        "qemu-guest-agent",
        # their libraries
        "libc6",
        "libglib2.0-0",
        "libiperf0",
        "libmnl0",
        "libnuma1",
        "libpcre2-8-0",
        "libsctp1",
        "libssl3",
        "libudev1",
        "liburing2",
    ),
)

# Debian's own where busybox's differ in what rscvm asks of a host: sh, ip -json, stat --printf, date +%N; and env, as
# busybox's starts busybox's sh, which takes its own programs for all of them.
_COREUTILS = (
    *(f"bin/{name}" for name in ("cat", "chmod", "cp", "date", "mkdir", "mktemp", "mv", "readlink", "rm", "rmdir", "sleep")),
    *(f"usr/bin/{name}" for name in ("base64", "dirname", "env", "head", "sort", "stat", "tail", "timeout", "tr")),
)  # fmt: skip

# What networks are made of that the tests' own kernel may not have, and what cuts. Open vSwitch's checksums ask for
# crc32c by an alias, which insmod does not know.
_NETWORKS = (
    *("crc32c_generic", "bonding", "team", "team_mode_activebackup", "team_mode_roundrobin", "8021q", "macvlan", "macvtap"),
    *("veth", "openvswitch", "dummy", "ifb", "vxlan", "sch_cake", "sch_tbf", "sch_ingress", "cls_matchall", "act_mirred"),
)  # fmt: skip

# The demo guest and what makes it a hypervisor host that is administered over SSH. It has no key, neither its own
# nor one that may log in: an archive appended to its initramfs brings both.
HOST = Kind(
    kernel="full",
    unpacked=True,
    modules=("tun", "bridge"),
    later=_NETWORKS,
    programs=(
        *GUEST.programs,
        *_COREUTILS,
        "bin/grep",
        "bin/ip",
        "bin/sh",
        "sbin/bridge",
        "sbin/tc",
        "usr/bin/find",
        "usr/bin/flock",
        "usr/bin/nsenter",
        "usr/bin/ovs-dpctl",
        "usr/bin/setsid",
        "usr/bin/socat",
        "usr/bin/teamnl",
        "usr/sbin/sshd",
    ),
    packages=(
        *GUEST.packages,
        "coreutils",
        "dash",
        "findutils",
        "grep",
        "iproute2",
        "libteam-utils",
        "openssh-server",
        "openvswitch-switch",
        "socat",
        "util-linux",
        # their libraries
        "libacl1",
        "libattr1",
        "libaudit1",
        "libbpf1",
        "libbsd0",
        "libcap-ng0",
        "libcap2",
        "libcom-err2",
        "libcrypt1",
        "libelf1",
        "libevent-2.1-7",
        "libgcrypt20",
        "libgmp10",
        "libgpg-error0",
        "libgssapi-krb5-2",
        "libhogweed6",
        "libk5crypto3",
        "libkeyutils1",
        "libkrb5-3",
        "libkrb5support0",
        "liblz4-1",
        "liblzma5",
        "libmd0",
        "libnettle8",
        "libnl-3-200",
        "libnl-cli-3-200",
        "libnl-genl-3-200",
        "libnl-nf-3-200",
        "libnl-route-3-200",
        "libnsl2",
        "libpam0g",
        "libselinux1",
        "libsystemd0",
        "libteam5",
        "libtirpc3",
        "libunbound8",
        "libwrap0",
        "libxdp1",
        "libxtables12",
        "libzstd1",
        "zlib1g",
    ),
    files={
        "etc/passwd": b"root:*:0:0:root:/root:/bin/sh\nsshd:*:100:65534::/run/sshd:/bin/false\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
        "etc/ssh/sshd_config": b"HostKey /etc/ssh/ssh_host_ed25519_key\n"
        b"PasswordAuthentication no\nKbdInteractiveAuthentication no\nUseDNS no\n",
    },
)

KINDS: Mapping[str, Kind] = MappingProxyType({"guest": GUEST, "host": HOST})

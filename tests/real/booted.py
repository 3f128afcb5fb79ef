"""A guest without a QEMU on the booted host, and a wire to it: what the ways to its TAP do to traffic is measured there.

The guest is a network namespace at the other end of a TAP pair that socat joins: it takes virtio-net headers with TSO and
checksums as a guest's driver does, hands frames on as they come, and gathers none of its own, as Windows' NetKVM does not.
The wire is a switch of `near` between eth1, eth2 and eth3, and who sends from outside is eth3 in a namespace of its own,
since the tests' own kernel may have no VLANs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provision.runtime.places import Target
from provision.verify.collect.host_devices import TapsRead, read_taps
from tests.real.hypervisor import Hypervisor
from tests.real.physical import physical_host
from tests.real.remote import Talk

WIRE = ("phys1", "phys2", "phys3")

# socat's `ioctl-bin` is TUNSETIFF with a struct ifreq of 40 bytes, whose flags are IFF_TAP, IFF_NO_PI and IFF_VNET_HDR;
# `ioctl-int` is TUNSETOFFLOAD with TUN_F_CSUM, TSO4, TSO6 and TSO_ECN, what a Linux guest asks for.
FURNISH = r"""
while read -r module; do
    case $module in
        bonding) set -- max_bonds=0 ;; dummy) set -- numdummies=0 ;; ifb) set -- numifbs=0 ;; *) set -- ;;
    esac
    insmod "/modules/$module.ko" "$@"
done </modules/later
end() {
    name=$(printf %s "$1" | od -An -tx1 | tr -d ' \n')
    while [ ${#name} -lt 32 ]; do name=${name}00; done
    printf 'OPEN:/dev/net/tun,ioctl-bin=0x400454ca:x%s0250%044d,ioctl-int=0x400454d0:0x0f' "$name" 0
}
setsid socat -b 131072 "$(end tap0)" "$(end far)" >/run/socat.log 2>&1 </dev/null &
until [ -e /sys/class/net/far ]; do sleep 0.05; done
for ns in guest wire; do ip netns add $ns; ip -n $ns link set lo up; done
ip link set far netns guest
ip -n guest address add 10.77.0.2/24 dev far
ip -n guest link set far up
ip -n guest route add default via 10.77.0.1
ip netns exec guest iperf3 -s -D
until ip netns exec guest grep -q ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
ip link set eth3 netns wire
ip -n wire address add 10.77.0.9/24 dev eth3
ip -n wire link set eth3 up
"""
# Who is up has a carrier, as far as it can have one: NICs take a moment.
SETTLED = r"""
tries=0
while grep -qx 0 /sys/class/net/*/carrier 2>/dev/null; do
    sleep 0.05
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { echo "no carrier: $(grep -lx 0 /sys/class/net/*/carrier)" >&2; exit 1; }
done
"""
# What a network was made of goes, and the NICs and the TAP are as at first.
CLEAN = r"""
exec 2>/dev/null
ovs-dpctl del-dp ovs-system || :
for path in /sys/class/net/*; do
    case ${path##*/} in lo | eth[0-3] | tap0) ;; *) echo "link delete ${path##*/}" ;; esac
done | ip -force -batch - || :
for name in eth1 eth2 tap0; do
    echo "address flush dev $name"
    echo "link set $name nomaster up gso_max_size 65536 gso_max_segs 65535"
done | ip -force -batch - || :
for name in eth1 eth2 tap0; do printf 'qdisc del dev %s root\nqdisc del dev %s ingress\n' $name $name; done | tc -force -batch - || :
ip -n wire -force -batch - <<'END' || :
link delete eth3.10
address flush dev eth3
address add 10.77.0.9/24 dev eth3
neigh flush all
END
ip -n guest neigh flush all
for name in eth1 eth2; do ethtool -K $name gro on; done
"""
# The mean frame at the TAP while somebody sends a megabyte.
MEAN = r"""
counted() { read -r frames </sys/class/net/tap0/statistics/tx_packets; read -r octets </sys/class/net/tap0/statistics/tx_bytes; }
counted; was="$frames $octets"
"$@" iperf3 --client 10.77.0.2 --bytes 1M --interval 0 --connect-timeout 5000 >/dev/null
counted; set -- $was
echo $(((octets - $2) / (frames - $1)))
"""
SENDERS: Mapping[str, tuple[str, ...]] = {"outside": ("ip", "netns", "exec", "wire"), "host": ()}
SEGMENT = 1600
"""Bytes: a mean frame below is that of single segments."""


class BootedHost:
    """The booted host, on which networks are made one after the other."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.network = ""
        self.run(FURNISH)

    def run(self, *scripts: str) -> None:
        """Run shell scripts that have to succeed, and see that the NICs have a carrier after them."""
        self.talk.run(("sh", "-ec", "\n".join([*scripts, SETTLED]))).check()

    def have(self, network: str) -> None:
        """See that the network is there that a script makes, and no other."""
        if self.network != network:
            self.network = ""
            self.talk.run(("sh", "-ec", CLEAN)).check()
            self.run(network)
            self.network = network

    def arrives_whole(self, source: str, *, expected: bool) -> bool:
        """Whether large frames get to the TAP from there; where they should, a slow moment, which gathers little, is forgiven."""
        argv = ("sh", "-ec", MEAN, "sh", *SENDERS[source])
        return any(int(self.talk.run(argv).check().out) > SEGMENT for _ in range(3 if expected else 1))

    def read(self) -> TapsRead:
        """What rscvm reads of it, over SSH."""
        return read_taps(self.talk)


@contextmanager
def booted_host(folder: Path) -> Iterator[BootedHost]:
    """Boot one, with a wire; it ends with all that was made on it."""
    with Hypervisor() as near, physical_host(near, folder, more=WIRE) as host:
        near.output(["ip", "link", "add", "switch", "up", "type", "bridge"])
        for tap in WIRE:
            near.output(["ip", "link", "set", tap, "master", "switch"])
        target = Target("hv", host.address, None, host.user, str(host.identity), str(host.known_hosts))
        talk = Talk(near, target)
        try:
            yield BootedHost(talk)
        finally:
            talk.end()

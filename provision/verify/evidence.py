"""The evidence of one NIC: what each source that could be asked said of it. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from provision.facts.ip import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.ethtool_features import Features
    from provision.facts.frames import TapSample
    from provision.facts.guest import Adapter, GuestFacts
    from provision.facts.virtio import VirtioFacts
    from provision.runtime.guest_channel import GuestWay

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")


@dataclass(frozen=True, slots=True)
class Unasked:
    """A source that did not answer, and why; what it would have told is unknown, never a pass."""

    reason: str
    final: bool = False
    """Whether asking again is of no use."""
    chosen: bool = False
    """Whether the TAP tells in its place: it was left out, as wished or because the monitor is somebody else's."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the host handed to the guest while it was watched."""

    frames: int
    octets: int
    seconds: float
    mtu: int
    """Of the host's device."""
    sample: TapSample | None = None
    """None where none was taken."""
    means: tuple[tuple[float, float | None], ...] = ()
    """How its mean frame went: seconds from the first look on, and bytes a frame since the look before; None without frames."""

    @property
    def mean(self) -> float:
        """Bytes a frame; 0 without frames."""
        return self.octets / self.frames if self.frames else 0.0


@dataclass(frozen=True, slots=True)
class Owner:
    """By what a machine's QEMU is found among the processes of its host; one of them."""

    pid: int | None = None
    started: int | None = None
    """With the pid: the process's start time, where it is known."""
    socket: str = ""
    """The path of its monitor."""
    domain: str = ""
    """Its name, of libvirt's."""
    uuid: str = ""
    """With the domain's name."""
    agent: str = ""
    """The path at which its QEMU, no domain's, listens for who asks its guest's agent."""
    uid: int | None = None
    """With that path: whose process it is, where that is known."""
    monitor: str = ""
    """With that path: where its QMP listens, where that is known."""


UNKNOWN = Owner()
"""Nobody's."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, and what its NICs have in common."""

    host: str
    name: str
    state: str
    purpose: str | None = None
    owner: Owner = UNKNOWN


@dataclass(frozen=True, slots=True)
class Cut:
    """A place at which nothing gets through to the guest."""

    at: Literal["xml", "qemu", "tap", "port", "state", "learning", "bridge", "missing"]
    """The link as libvirt has it or QEMU; the TAP, its place on its bridge and its state there, or that bridge.

    A port that is learning forwards by itself soon.
    """
    seen: str
    bridge: str = ""


Act = Literal["receives", "sends", "hands on"]
"""What a device does with a frame: who receives may gather, who sends may cut, and who hands on does neither."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A network device on the way to a guest, and what it does with the frames."""

    device: str
    act: Act
    network: str = ""
    """The network namespace that it is in, where that is not our own."""
    features: Features | None = None
    """None where nobody could read them."""
    limits: Limits = DEFAULT_LIMITS
    queueing: str = ""
    """How its queueing discipline cuts large frames, if it does."""
    mtu: int = 1500
    lists: bool = False
    """Whether it gathers TCP into lists, which the next device takes apart (rx-gro-list)."""
    is_veth: bool = False
    generic_xdp: bool = False
    """Whether an XDP program runs at it in the stack and not in its driver, which switches GRO off."""
    diverted: str = ""
    """Which device that cuts may be handed what comes in here, by a filter that nobody read: an ifb, and how it cuts."""


@dataclass(frozen=True, slots=True)
class Way:
    """How frames get to a guest's TAP from one place that they come from."""

    source: Literal["outside", "host"]
    hops: tuple[Hop, ...] = ()
    """From where they come to the last device before the TAP."""
    trouble: str = ""
    """Why it could not be walked."""
    unsure: str = ""
    """Why it may be none: an Open vSwitch's or a team's ports, of which nobody told which belong together or are active."""
    apart: bool = False
    """Whether who sends is, or may be, in another network namespace of this host: like whoever is on a wire."""

    @property
    def origin(self) -> str:
        """The device by which they come in."""
        return self.hops[0].device if self.hops else ""


@dataclass(frozen=True, slots=True)
class AskedGuest:
    """What a NIC's guest tells of it and of itself."""

    facts: GuestFacts
    adapter: Adapter | None
    """None where it knows no adapter of that MAC address."""
    way: GuestWay | None = field(default=None, compare=False)
    """By which it told that, which evidence does not have whole; None where it was pasted."""


@dataclass(frozen=True, slots=True)
class NicEvidence:
    """One NIC of one machine."""

    host: str
    machine: str
    nic: str
    mac: str
    tap: str | None
    rsc: str | None
    """`true`, `false` or `hck` where our own metadata says so; None of a machine that is not ours."""
    purpose: str | None
    state: str
    """running, paused or off: the machine's; unknown of what was pasted."""
    kind: str
    """The interface's type: bridge, network, ethernet, direct, user, vhostuser, hostdev, …"""
    model: str
    """`virtio` of every device that is one to QEMU."""
    rsc_asked: bool = False
    """Whether the machine's configuration asks for guest_rsc_ext on this NIC."""
    properties: Mapping[str, bool] | Unasked = Unasked("not asked")
    """The device's own, by qom-get; what the device does not have is not in it."""
    virtio: VirtioFacts | Unasked = Unasked("not asked")
    features: Features | Unasked = Unasked("not asked")
    """The TAP's."""
    traffic: Traffic | Unasked | None = None
    """None where it was not watched."""
    owner: Owner = UNKNOWN
    netdev: str = ""
    """The id of QEMU's netdev behind it."""
    told: str = ""
    """What QEMU's monitor says of that netdev."""
    shown: Literal["", "descriptor", "name"] = ""
    """How its TAP is known: held by its QEMU, or by its name and what is said of it; empty in evidence of 0.1.0."""
    network: str = ""
    """The network namespace that its TAP is in, where that is not our own."""
    pid: int | None = None
    """The process that holds its TAP."""
    path: str = ""
    """Of the device in QEMU's object model."""
    run: str = ""
    """Tells one run of the machine from another, where that is known."""
    bridge: str = ""
    """The bridge that its TAP belongs on."""
    mtu: int | None = None
    """What the guest is told."""
    notes: tuple[str, ...] = ()
    """What is worth knowing beside the verdict."""
    vhost_asked: bool = False
    """Whether its configuration says outright that vhost shall carry its packets."""
    lone: str = ""
    """Of a NIC with QEMU's engine: the test bridge of ours on which nothing can send to it otherwise than a wire would."""
    cuts: tuple[Cut, ...] = ()
    """Where its cable is out."""
    waited: bool = False
    """Whether the guest's driver was waited for until the deadline."""
    definition: Definition | None = None
    """None where there is none, or nobody asked for it."""
    named: bool = True
    """Whether it was meant: by its machine's name, or in a lab file. Of a machine that is off it counts only then."""
    misnamed: str = ""
    """What libvirt's XML calls a virtio NIC by, where libvirt itself does not know it for one."""
    by_fd: bool = False
    """Whether somebody else than libvirt opened its TAP and handed QEMU the descriptor."""
    vnet_header: bool | None = None
    """Whether its TAP was opened with a vnet header, as the kernel tells it; None: not known."""
    ways: tuple[Way, ...] | Unasked = Unasked("the devices before its TAP were not looked at")
    sender: Hop | None = None
    """Its TAP, as the device that hands frames to the guest."""
    standby: bool = False
    """Whether its configuration makes it the standby of a failover pair."""

    vcpus: int | None = None
    """Of its machine, as many as it may have; None: not known."""
    cores: int | None = None
    """Of its machine, each of one thread or more; None: not known."""
    queues: int | None = None
    """Pairs of them that the device has."""
    rx_queue_size: int | None = None
    """Descriptors of a receive queue."""
    kernel: str = ""
    """The release of its host's kernel, as `uname -r` has it; empty where it is not known."""
    guest: AskedGuest | Unasked | None = None
    """None where nobody asked the guest."""
    defined_in: Literal["", "libvirt", "qemu"] = ""
    """By whose words its machine is defined: libvirt's XML, or QEMU's arguments; empty where that is not known."""
    agent_port: bool | None = None
    """Whether its machine has a channel for a guest agent; None: not known."""
    guest_must: bool = False
    """Whether the guest has to answer, or its rungs are unknown (`--guest`)."""

    @property
    def hck(self) -> bool:
        """Whether this NIC is meant for QEMU's own engine."""
        return self.rsc == "hck"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a machine's definition makes of a NIC, as evidence that knows no more than what is defined."""

    next: NicEvidence | Unasked | None
    """At the next start; None: it will not be there."""
    now: NicEvidence | None = None
    """The same of what runs; None where nothing does."""


def named_apart(nics: Sequence[NicEvidence]) -> list[NicEvidence]:
    """A machine's NICs, those whose name another has already by their MAC addresses, or by where they stand.

    libvirt calls a NIC that is plugged in `net0` where ours is `ua-net0`.
    """
    found: dict[str, NicEvidence] = {}
    for index, nic in enumerate(nics):
        name = next(name for name in (nic.nic, nic.mac, f"{nic.nic} {index}") if name and name not in found)
        found[name] = replace(nic, nic=name)
    return list(found.values())

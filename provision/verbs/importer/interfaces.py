"""A domain's `<interface>`s as NICs of a lab file. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provision.facts.domain_interface import (
    WITHOUT_HEADER,
    effective_offloads,
    is_virtio,
    network_of,
    rsc_interval,
)
from provision.facts.domain_normal import named_devices
from provision.facts.domain_tree import attribute, read_domain
from provision.facts.overrides import properties_of
from provision.lab import spec
from provision.tables.offloads import BY_NAME, HCK, unmet
from provision.tables.profiles import PROFILES, RSC_INTERVAL, wanted_offloads
from provision.verbs.importer.keys import Keys, key_or_reason, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lxml.etree import _Element


@dataclass(frozen=True, slots=True)
class _At:
    """One `<interface>`, where it stands, and the same one as it runs."""

    root: _Element
    nic: _Element
    path: str
    index: int
    twin: _Element | None
    tcg: bool

    def number(self, path: str, name: str) -> int | None:
        """An attribute that is a whole number."""
        text = attribute(self.nic, path, name)
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _bridge(at: _At) -> Keys:
    said = key_or_reason(spec.Nic, "bridge", attribute(at.nic, "source", "bridge"), f"{at.path}/source")
    return said | _vlan(at) if said.keys else said


def is_on_ovs(nic: _Element) -> bool:
    """Whether a NIC is on a bridge of Open vSwitch's."""
    return attribute(nic, "virtualport", "type") == "openvswitch"


def _vlan(at: _At) -> Keys:
    """The one VLAN of a port of Open vSwitch's."""
    place, tags = f"{at.path}/vlan", at.nic.findall("vlan/tag")
    reasons = {
        f"{at.path}/virtualport/parameters": "libvirt gives the port an id of its own: what goes by this one (OVN, Neutron) does not find it"
    }
    if not tags:
        return Keys(reasons=reasons)
    if not is_on_ovs(at.nic):
        return Keys(reasons={place: "a lab file's VLANs are for bridges of Open vSwitch's"})
    if len(tags) > 1 or attribute(at.nic, "vlan", "trunk") == "yes" or tags[0].get("nativeMode"):
        return Keys(reasons={**reasons, place: "a lab file's NIC has one VLAN, and no trunk"})
    said = key_or_reason(spec.Nic, "vlan", at.number("vlan/tag", "id"), place)
    return Keys(reasons=reasons) | said


def _network(at: _At) -> Keys:
    """A network that has no TAPs, as the running domain shows, is the device that it has behind it."""
    device = attribute(at.twin, "source", "dev") if at.twin is not None else ""
    if device and not refusal(spec.Nic, macvtap=device):
        name = network_of(at.nic)
        reason = f"a lab file's networks have TAPs: {device} is what the running domain has behind this one"
        return Keys(
            {"macvtap": device}, {"macvtap": f"libvirt's network {name}"}, {f"{at.path}/source": reason}
        )
    return key_or_reason(spec.Nic, "network", network_of(at.nic), f"{at.path}/source")


def _direct(at: _At) -> Keys:
    said = key_or_reason(spec.Nic, "macvtap", attribute(at.nic, "source", "dev"), f"{at.path}/source")
    reason = "a lab file's macvtap is in mode bridge"
    return Keys(reasons={f"{at.path}/source": reason}) | said


_ATTACHED: dict[str, Callable[[_At], Keys]] = {
    "bridge": _bridge,
    "network": _network,
    "direct": _direct,
    "ethernet": lambda _: Keys({"tap": True}),
    "user": lambda _: Keys({"user": True}),
}


def _identity(at: _At) -> Keys:
    said = Keys()
    alias = attribute(at.nic, "alias", "name")
    name = alias.removeprefix("ua-") if alias.startswith("ua-") else ""
    if name and name != f"net{at.index}" and not re.fullmatch(r"net[0-9]+", name):
        said |= key_or_reason(spec.Nic, "name", name, f"{at.path}/alias")
    if mac := attribute(at.nic, "mac", "address"):
        said |= key_or_reason(spec.Nic, "mac", mac.lower(), f"{at.path}/mac")
    return said


def _device(at: _At, kind: str) -> Keys:
    said = Keys()
    dev = attribute(at.nic, "target", "dev")
    if dev and kind != "user" and not re.match(r"vnet|vif|macvtap|macvlan", dev):
        said |= key_or_reason(spec.Nic, "ifname", dev, f"{at.path}/target")
    mtu = at.number("mtu", "size")
    if mtu is not None and kind != "user":
        said |= key_or_reason(spec.Nic, "mtu", mtu, f"{at.path}/mtu", "bytes")
    return said


def _hck_refusal(at: _At, kind: str, effective: Mapping[str, bool], queues: int) -> str:
    """Why a NIC with QEMU's engine switched on is nothing that `rsc: hck` is for."""
    if kind not in PROFILES["hck"].backends:
        return f"`rsc: hck` does not work on {kind}"
    if queues > 1:
        return "`rsc: hck` is for one queue"
    if attribute(at.nic, "driver", "name") == "vhost":
        return "`rsc: hck` needs vhost off, and with vhost the engine does nothing"
    need = unmet(BY_NAME[HCK], frozenset(name for name, on in effective.items() if on))
    return f"QEMU's engine needs {need}, which is off" if need else ""


def said_offloads(profile: str, effective: Mapping[str, bool]) -> dict[str, bool]:
    """The fewest offloads that a lab file must say beside `rsc:` for a NIC to have these."""
    said: dict[str, bool] = {}
    for _ in BY_NAME:
        wanted = wanted_offloads(profile, said)
        missing = {
            name: on
            for name, on in effective.items()
            if name in wanted and name != HCK and on != wanted[name]
        }
        if not missing:
            break
        said |= missing
    for _ in BY_NAME:
        on = frozenset(name for name, is_on in wanted_offloads(profile, said).items() if is_on)
        void = {name: False for name in on - {HCK} if unmet(BY_NAME[name], on)}
        if not void:
            break
        said |= void
    for name in list(said):
        less = {other: on for other, on in said.items() if other != name}
        if wanted_offloads(profile, less) == wanted_offloads(profile, said):
            said = less
    return said


def _rsc(at: _At, kind: str, queues: int) -> Keys:
    properties = properties_of(at.root, at.nic)
    effective = effective_offloads(at.nic, properties)
    reasons: dict[str, str] = {}
    profile = "true" if any(effective[name] for name in ("guest_tso4", "guest_tso6")) else "false"
    if kind == "user":
        effective, profile = {name: effective[name] for name in WITHOUT_HEADER}, "false"
    elif effective[HCK]:
        reason = _hck_refusal(at, kind, effective, queues)
        profile = profile if reason else "hck"
        reasons |= (
            dict.fromkeys((f"{at.path}/offloads@{HCK}", f"{at.path}/offloads@rsc_interval"), reason)
            if reason
            else {}
        )
    keys: dict[str, Any] = {} if profile == "true" else {"rsc": False if profile == "false" else "hck"}
    comments: dict[str, str] = {}
    if profile == "hck":
        comments["rsc"] = "QEMU's own engine, for one HLK test; unfit for any other traffic"
        interval = rsc_interval(properties)
        if interval != str(RSC_INTERVAL) and re.fullmatch(r"[0-9]{1,10}", interval) and int(interval) < 2**32:
            keys["rsc_interval"], comments["rsc_interval"] = int(interval), "nanoseconds"
    elif kind == "user":
        comments["rsc"] = "user networking has no vnet header, so no RSC"
    if offloads := said_offloads(profile, effective):
        keys["offloads"] = offloads
    return Keys(keys, comments, reasons)


def _datapath(at: _At, kind: str) -> Keys:
    """Queues, their size and vhost of a virtio NIC."""
    said = Keys()
    queues, size = at.number("driver", "queues") or 1, at.number("driver", "rx_queue_size")
    if queues > 1 and kind == "user":
        said |= Keys(reasons={f"{at.path}/driver": "user networking has one queue"})
    elif queues > 1:
        said |= key_or_reason(spec.Nic, "queues", queues, f"{at.path}/driver")
    if size is not None:
        said |= key_or_reason(spec.Nic, "rx_queue_size", size, f"{at.path}/driver", "packets")
    profile = _rsc(at, kind, int(said.keys.get("queues", 1)))
    if said.keys.get("queues", 1) != 1 and profile.keys.get("offloads", {}).get("ctrl_vq") is False:
        less = {key: value for key, value in said.keys.items() if key != "queues"}
        said = Keys(
            less, said.comments, {f"{at.path}/driver": "more than one queue needs ctrl_vq, which is off"}
        )
    said |= profile
    name, hck = attribute(at.nic, "driver", "name"), profile.keys.get("rsc") == "hck"
    if name == "vhost" and (at.tcg or kind == "user"):
        return said | Keys(reasons={f"{at.path}/driver@name": "libvirt uses vhost with KVM and TAPs only"})
    if name in ("vhost", "qemu") and not hck:
        return said | Keys({"vhost": name == "vhost"})
    return said


def _model(at: _At, kind: str) -> Keys:
    if is_virtio(at.nic):
        return _datapath(at, kind)
    return Keys({"model": "e1000e"}, {} if attribute(at.nic, "model", "type") == "e1000e" else {"model": f"was {attribute(at.nic, 'model', 'type') or 'none said'}"})  # fmt: skip


def _imported(at: _At) -> Keys:
    """One NIC; without keys where a lab file cannot have it."""
    kind = "network" if network_of(at.nic) else str(at.nic.get("type", ""))
    if kind not in _ATTACHED:
        return Keys(reasons={at.path: f"a lab file has no NIC of type {kind}: it is left out"})
    attached = _ATTACHED[kind](at)
    if not attached.keys:
        reason = next(iter(attached.reasons.values()), "nothing says what it is attached to")
        return Keys(reasons={at.path: f"{reason}: it is left out"})
    row = next(iter(attached.keys))
    return attached | _identity(at) | _device(at, row) | _model(at, row)


def imported_nics(root: _Element, live: _Element | None, *, tcg: bool) -> Iterator[Keys]:
    """Every NIC of a domain; of those that cannot be had only the reason."""
    twins = {attribute(nic, "mac", "address"): nic for nic in (live if live is not None else root).iterfind("devices/interface")}  # fmt: skip
    found = ((path, nic) for path, kind, nic in named_devices(root) if kind == "devices/interface")
    taken: dict[str, set[Any]] = {"name": set(), "mac": set(), "ifname": set()}
    taken["ifname"] = {attribute(nic, "source", "bridge") for nic in (*twins.values(), *root.iterfind("devices/interface"))}  # fmt: skip
    index = 0
    for path, nic in found:
        said = _imported(_At(root, nic, path, index, twins.get(attribute(nic, "mac", "address")), tcg))
        for key, place in (("name", "alias"), ("mac", "mac"), ("ifname", "target")):
            value = said.keys.get(key)
            if value in taken[key]:
                less = {other: word for other, word in said.keys.items() if other != key}
                said = Keys(
                    less, said.comments, {**said.reasons, f"{path}/{place}": f"{value} is there twice"}
                )
            elif value is not None:
                taken[key].add(value)
        index += bool(said.keys)
        yield said


def ovs_bridges(text: str) -> frozenset[str]:
    """The bridges of a domain that are Open vSwitch's, as its definition says.

    :raise UnreadableError: when the text is no domain XML.
    """
    nics = read_domain(text).iterfind("devices/interface[@type='bridge']")
    return frozenset(attribute(nic, "source", "bridge") for nic in nics if is_on_ovs(nic))

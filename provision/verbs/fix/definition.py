"""What to edit in a domain's definition for a cause that lies there, and what cannot be. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from provision.facts.domain_devices import start_aliases
from provision.facts.domain_tree import read_domain
from provision.facts.overrides import Property, aliases_with, overrides
from provision.runtime.masked import masked_xml
from provision.tables.backends import INTERFACES
from provision.tables.models import LIBVIRTS_VIRTIO
from provision.tables.offloads import BY_NAME, HCK, TSO
from provision.verbs.fix.domain_edit import DropOverride, Edit, SetValue, edited, laid_out
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lxml.etree import _Element

    from provision.host.plan.diff import Diff
    from provision.runtime.protocols import Domain
    from provision.verify.evidence import Family, NicEvidence
    from provision.verify.judge.cause import Cause

Found = tuple["Cause", tuple["Family", ...], str]
"""A cause, the families that it holds for, and what was seen."""


@dataclass(frozen=True, slots=True)
class Mend:
    """One edit of a definition."""

    nic: str
    cause: str
    what: str
    why: str
    edit: Edit


@dataclass(frozen=True, slots=True)
class Pending:
    """What the definition has already, and the running machine has not."""

    what: str


Row = Mend | Pending | str
"""A string is what somebody else has to do."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One cause of one NIC, and its domain."""

    cause: Cause
    families: tuple[Family, ...]
    evidence: NicEvidence
    seen: str
    live: _Element
    kept: _Element
    """The persistent definition."""
    index: int
    """Which interface of the definition the NIC is."""
    alias: str
    """Of the running machine, by which overrides go."""

    def of(self, root: _Element, path: str, attribute: str) -> str:
        """An attribute of this NIC in the live or the persistent XML; empty where it is not said."""
        nic = _interfaces(root, self.evidence.mac)[0]
        found = nic if not path else nic.find(path)
        return str(found.get(attribute, "")) if found is not None else ""

    def overridden(self, root: _Element, name: str) -> Property | None:
        """What an override says of a property; None where it says nothing."""
        return overrides(root).get(self.alias, {}).get(name)

    def mend(self, what: str, edit: Edit, why: str = "") -> Mend:
        """An edit for this cause."""
        name = f"{self.evidence.machine}.{self.evidence.nic}"
        return Mend(name, self.cause.id, what, "; ".join(filter(None, (self.seen, why))), edit)


def _interfaces(root: _Element, mac: str) -> list[_Element]:
    def address(nic: _Element) -> str:
        found = nic.find("mac")
        return str(found.get("address", "")).lower() if found is not None else ""

    return [nic for nic in root.iterfind("devices/interface") if address(nic) == mac.lower()]


def _on(case: _Case) -> Iterator[Row]:
    """The guest offloads that the device needs and has off."""
    properties = case.evidence.properties
    if isinstance(properties, Unasked):
        return
    for name in ("guest_csum", *(TSO[family] for family in case.families)):
        place = BY_NAME[name].libvirt
        if properties.get(name, False) or place is None:
            continue
        element, attribute = place
        path = f"driver/{element}"
        kept, before = case.of(case.kept, path, attribute), case.of(case.live, path, attribute)
        what = f"<driver><{element} {attribute}='on'/>"
        overridden, was = (_is_off(case.overridden(root, name)) for root in (case.kept, case.live))
        if overridden:
            yield case.mend(f"no override of {name}", DropOverride(case.alias, (name,)))
        if kept == "off":
            yield case.mend(what, SetValue(case.index, ("driver", element), attribute, "on"))
        elif not overridden and (before == "off" or was):
            yield Pending(f"{name} on")
        elif not overridden and not kept:
            yield case.mend(what, SetValue(case.index, ("driver", element), attribute, "on"))
        elif not overridden:
            yield f"its definition has {what}, and the device has {name} off: look into its <qemu:commandline>"


def _is_off(said: Property | None) -> bool:
    return said is not None and said.on is False


def _model_virtio(case: _Case) -> SetValue:
    return SetValue(case.index, ("model",), "type", "virtio")


def _virtio(case: _Case) -> Iterator[Row]:
    if case.evidence.kind == "hostdev":
        yield "a passed-through device is left as it is"
    elif case.evidence.kind in INTERFACES and not INTERFACES[case.evidence.kind].vnet_header:
        yield (
            f"a {case.evidence.kind}-mode netdev has no vnet header, so another model alone mends nothing: put the NIC on a "
            "bridge first, <interface type='bridge'>"
        )
    elif case.of(case.kept, "model", "type") in LIBVIRTS_VIRTIO:
        yield Pending("model virtio")
    elif case.evidence.misnamed:
        yield case.mend(
            "<model type='virtio'/>", _model_virtio(case), "to the guest it stays the same device"
        )
    elif (bus := case.of(case.kept, "address", "type")) not in ("", "pci"):
        yield f"the NIC is on the {bus} bus, where virtio cannot be: its <address> has to go with its model"
    else:
        yield case.mend(
            "<model type='virtio'/>",
            _model_virtio(case),
            "a Windows guest needs NetKVM before that, or it comes up without this NIC; it is a new adapter to "
            "the guest, which starts without the old one's addresses",
        )


def _header(case: _Case) -> Iterator[Row]:
    """The model by the name for which libvirt opens a TAP with a vnet header; another backend is its user's choice."""
    nic = case.evidence
    if not INTERFACES[nic.kind].vnet_header:
        yield f"no-vnet-header: {case.seen}: put the NIC on a TAP, <interface type='bridge'> or 'network'"
    elif nic.misnamed or nic.model != "virtio":
        yield from _virtio(case)
    else:
        yield f"no-vnet-header: {case.seen}, and nothing in the definition says so: whoever makes its TAP must set IFF_VNET_HDR"


def _strays(case: _Case) -> list[str]:
    """Aliases that no device of the running machine bears, and under which an override asks for the engine."""
    borne = {str(alias.get("name")) for alias in case.live.iterfind("devices//alias")}
    return [alias for alias in aliases_with(case.kept, HCK) if alias not in borne]


def _no_override(case: _Case) -> Iterator[Row]:
    """A production machine without QEMU's own coalescing; its interval means nothing without it."""
    if case.overridden(case.kept, HCK):
        edit = DropOverride(case.alias, (HCK, "rsc_interval"))
        yield case.mend(f"no override of {HCK} for {case.alias}", edit)
    elif case.overridden(case.live, HCK):
        yield Pending(f"no override of {HCK}")
    elif strays := _strays(case):
        for alias in strays:
            yield case.mend(f"no override of {HCK} for {alias}", DropOverride(alias, (HCK, "rsc_interval")))
    else:
        yield f"{HCK} does not come from an override: look into its <qemu:commandline>"


def _effective(case: _Case) -> Iterator[Row]:
    """On a machine for HCK what makes the engine void goes, on any other the engine."""
    facts, properties = case.evidence.virtio, case.evidence.properties
    if case.evidence.purpose != "hck":
        yield from _no_override(case)
    elif isinstance(facts, Unasked) or isinstance(properties, Unasked):
        yield "what makes it void could not be asked"
    elif facts.vhost and case.of(case.kept, "driver", "name") != "qemu":
        yield case.mend("<driver name='qemu'>", SetValue(case.index, ("driver",), "name", "qemu"))
    elif facts.vhost:
        yield Pending("<driver name='qemu'>")
    elif rows := list(_on(case)):
        yield from rows
    else:
        yield "its definition does not show why; compare the override's alias with the NIC's"


EDITED: dict[str, Callable[[_Case], Iterator[Row]]] = {
    "not-virtio": _virtio,
    "no-vnet-header": _header,
    "guest-offloads-off": _on,
    "hck-flags-in-production": _no_override,
    "hck-flags-ineffective": _effective,
}
"""Causes that an edit of the definition mends."""


def definition_rows(nic: NicEvidence, found: Sequence[Found], domain: Domain) -> Iterator[Row]:
    """What the domain's definition needs, for those of these causes that an edit mends.

    :raise UnreadableError: when the domain's XML cannot be read.
    """
    for cause, families, seen in found:
        if cause.id not in EDITED:
            continue
        if not domain.persistent_xml:
            yield f"{cause.id}: {domain.name} is transient: there is no definition to edit, change it where it is made"
            continue
        live, kept = read_domain(domain.live_xml), read_domain(domain.persistent_xml)
        running, defined = _interfaces(live, nic.mac), _interfaces(kept, nic.mac)
        if len(running) != 1 or len(defined) != 1:
            why = (
                "the running machine has it, and its definition has not"
                if not defined
                else "several NICs have this MAC"
            )
            yield f"{cause.id}: {nic.mac}: {why}: nothing is edited"
            continue
        index = list(kept.iterfind("devices/interface")).index(defined[0])
        named = _alias(live, running[0])
        yield from EDITED[cause.id](_Case(cause, families, nic, seen, live, kept, index, named))


def _alias(root: _Element, nic: _Element) -> str:
    """A NIC's alias; of a machine that is off the one that libvirt will give it."""
    there = list(root.iterfind("devices/interface"))
    found = nic.find("alias")
    said = str(found.get("name", "")) if found is not None else ""
    return said or [*start_aliases(there)][there.index(nic)]


def edit_diffs(before: str, mends: Sequence[Mend]) -> list[tuple[Mend, Diff]]:
    """Each edit with what it changes, those of one element together; one that a former has made already is left out."""
    found: list[tuple[Mend, Diff]] = []
    for _, together in groupby(mends, _place):
        some, after = list[Mend](), before
        for mend in together:
            then = edited(after, [mend.edit])
            some += [mend] if then != after else []
            after = then
        if some:
            found.append((replace(some[0], what=_joined(some)), unified(before, after)))
        before = after
    return found


def _place(mend: Mend) -> object:
    """Where a value is set and why, the same for what is shown as one edit."""
    edit = mend.edit
    return replace(mend, what="", edit=replace(edit, attribute="")) if isinstance(edit, SetValue) else mend


def _joined(mends: Sequence[Mend]) -> str:
    """What edits of one element make of it, in words."""
    said = [mend.edit for mend in mends if isinstance(mend.edit, SetValue)]
    if len(said) < 2:
        return mends[0].what
    outer = "".join(f"<{tag}>" for tag in said[0].path[:-1])
    values = " ".join(f"{edit.attribute}='{edit.value}'" for edit in said)
    return f"{outer}<{said[0].path[-1]} {values}/>"


def unified(before: str, after: str) -> Diff:
    """A unified diff of two definitions, both laid out alike and without secrets: libvirt leaves those out that it knows, alone."""
    old, new = (laid_out(masked_xml(text)).splitlines() for text in (before, after))
    return tuple(difflib.unified_diff(old, new, "as it is", "mended", lineterm=""))

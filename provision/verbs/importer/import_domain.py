"""`import`: a domain as a lab file, with a note on everything that is otherwise. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from provision.facts.domain_compare import Difference, differences, without_secrets
from provision.facts.domain_normal import named_devices
from provision.facts.domain_processor import parse_processor
from provision.facts.domain_tree import attribute, read_domain
from provision.facts.overrides import is_kept, overrides
from provision.lab.load import parse_lab
from provision.lab.spec import Host
from provision.render.machine import domain_xml
from provision.render.view import machine_view, usual_choices
from provision.runtime.safe_text import short
from provision.verbs.importer.disks import imported_cdroms, imported_disks
from provision.verbs.importer.interfaces import imported_nics, ovs_bridges
from provision.verbs.importer.keys import Keys, refusal
from provision.verbs.importer.lab_text import lab_text
from provision.verbs.importer.machine import imported_machine, lab_name
from provision.verbs.importer.reasons import why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from provision.render.view import MachineView
    from provision.runtime.places import Target
    from provision.runtime.protocols import Domain

_NAMES = (
    "a lab file's names are 1 to 63 of letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
)
_VOID = "libvirt finds no device by an alias that is not ua- with letters, digits, - and _: it does nothing"
_NUMBERED = "a lab file calls NICs without a name of their own net0, net1, … in their order"
_USUAL = "qemu:///system"
_MOST = 100
"""Characters of a name or value from outside."""
_DISKS = """\
# - Its disks are the domain's own, used as they are (overlay: false, or block). Two machines that write to one
#   disk destroy it, and nothing here looks whether the domain runs: shut it down for good before `up`.
#   `down` does not remove them.
"""
_STATE = """\
# - Firmware variables and a TPM's state stay with the domain, and the machine begins with new ones: boot entries
#   are gone, and what was sealed by the TPM (BitLocker) asks for its recovery key.
"""
_NICS = """\
# - Its NICs may come to other PCI addresses than the domain's: to Windows each is a new one, without a static address.
"""
_HEAD = """\
# Domain {name} at {uri}, {how}; by `rscvm import`.
#
{disks}{state}{nics}# - `up` refuses a name that libvirt has: undefine the domain, or call the machine otherwise.
# - The machine's MAC addresses are the domain's; its UUID, which the guest sees, is another.
{more}
"""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the lab file's machine has otherwise than the domain, and why."""

    path: str
    was: str | None
    now: str | None
    """None where one of the two has nothing of it."""
    why: str

    def words(self) -> str:
        """The note as a person reads it, on one line."""
        return f"{self.change()} ({short(self.why, 300)})"

    def change(self) -> str:
        """The note without its reason."""
        was, now = (
            "nothing" if text is None else short(text, _MOST) or "there" for text in (self.was, self.now)
        )
        return f"{short(self.path, _MOST)}: {was} → {now}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A domain as a lab file."""

    machine: str
    text: str
    notes: tuple[Note, ...]


def _reason(difference: Difference, reasons: Mapping[str, str]) -> str:
    """Why this differs: as it was decided for this very thing, else by the table."""
    found = [
        path
        for path in reasons
        if difference.path == path or difference.path.startswith((f"{path}/", f"{path}@"))
    ]
    return reasons[max(found, key=len)] if found else why(difference.kind, added=difference.was is None)


def _where(target: Target) -> tuple[Keys, dict[str, Keys], dict[str, str]]:
    """The machine's host, as far as a lab file must say it."""
    keys = {
        key: value
        for key in ("address", "port", "user", "identity", "known_hosts", "sudo", "libvirt")
        if (value := getattr(target, key)) and (key, value) != ("libvirt", _USUAL)
    }
    if not keys:
        return Keys(), {}, {}
    name = lab_name(target.name, "host")
    if reason := refusal(Host, **keys):
        return Keys(), {}, {"connection": reason}
    return Keys({"host": name} if target.address else {}), {name: Keys(keys)}, {}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A lab file without its comments about itself."""

    machine: str
    text: str
    reasons: Mapping[str, str]
    left_out: frozenset[str]
    disks: bool
    aliases: tuple[tuple[str, str], ...]
    """Path and alias of each of its NICs, in their order."""


def _drafted(domain: Domain, target: Target) -> _Draft:
    root = read_domain(domain.persistent_xml or domain.live_xml)
    live = read_domain(domain.live_xml) if domain.state != "off" else None
    nics = [*imported_nics(root, live, tcg=root.get("type") == "qemu")]
    disks = imported_disks(root)
    cdroms, reasons = imported_cdroms(root)
    said = imported_machine(root, live, hck=any(nic.keys.get("rsc") == "hck" for nic in nics))
    left_out = {*reasons, *(path for part in (*nics, *disks) if not part.keys for path in part.reasons)}
    for part in (said, *nics, *disks):
        reasons |= part.reasons
    reasons |= {f"qemu:override[{alias}]": _VOID for alias in overrides(root) if not is_kept(alias)}
    host, hosts, more = _where(target)
    name = lab_name(domain.name, "machine")
    lists: dict[str, Iterable[Keys | str]] = {
        "disks": [disk for disk in disks if disk.keys],
        "cdroms": cdroms,
        "nics": [nic for nic in nics if nic.keys],
    }
    text = lab_text(name, said, lists, host=host, hosts=hosts)
    there = (row for row in named_devices(root) if row[1] == "devices/interface")
    aliases = [(path, attribute(nic, "alias", "name")) for path, _, nic in there]
    kept = tuple(row for row, nic in zip(aliases, nics, strict=True) if nic.keys)
    return _Draft(name, text, reasons | more, frozenset(left_out), any(lists["disks"]), kept)


def _renamed(draft: _Draft, view: MachineView) -> Iterator[Note]:
    """NICs whose alias is another from then on; it is the device's name in QEMU, and scripts and hooks may go by it."""
    for (path, alias), nic in zip(draft.aliases, view.nics, strict=True):
        if is_kept(alias) and alias != nic.alias:
            yield Note(f"{path}/alias", alias, nic.alias, draft.reasons.get(f"{path}/alias", _NUMBERED))


def import_domain(domain: Domain, target: Target) -> Imported:
    """The domain as a lab file: its definition, or what runs where it has none; `target` is its host.

    :raise UnreadableError: when libvirt's XML is none.
    """
    draft = _drafted(domain, target)
    name, reasons = draft.machine, draft.reasons
    lab = parse_lab(draft.text, "lab.yaml", "/", {})
    root = read_domain(domain.persistent_xml or domain.live_xml)
    original = domain.persistent_xml or domain.live_xml
    usual = usual_choices(lab.machines[name])
    choices = replace(usual, ovs=ovs_bridges(original), features=parse_processor(root).features)
    view = machine_view(lab, name, choices)
    rendered = domain_xml(view)
    notes = [
        Note(row.path, row.was, row.now, _reason(row, reasons))
        for row in without_secrets(partial(differences, left_out=draft.left_out), original, rendered)
    ]
    notes += _renamed(draft, view)
    if name != domain.name:
        notes.insert(0, Note("name", domain.name, name, _NAMES))
    if "connection" in reasons:
        notes.append(Note("connection", target.libvirt, None, reasons["connection"]))
    head = _HEAD.format(
        name=short(domain.name, _MOST),
        uri=short(f"{target.name}, {target.libvirt}" if target.address else target.libvirt, _MOST),
        how="its definition" if domain.persistent_xml else "as it runs, for it has no definition",
        disks=_DISKS if draft.disks else "",
        state=_STATE if view.spec.tpm or view.firmware in ("uefi", "uefi-secure-boot") else "",
        nics=_NICS if view.guest.knows_nics_by_place and view.nics else "",
        more="# - What a lab file cannot say of it, or says otherwise, stands at the end."
        if notes
        else "# - A lab file says all of it.",
    )
    return Imported(name, head + draft.text + _tail(notes), tuple(notes))


def _tail(notes: Iterable[Note]) -> str:
    """The notes as comments, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for note in notes:
        by_reason.setdefault(short(note.why, 300), []).append(note.change())
    rows = (
        f"# {reason}:\n" + "".join(f"#   {change}\n" for change in changes)
        for reason, changes in by_reason.items()
    )
    return "\n# What the domain has → what the machine has:\n#\n" + "".join(rows) if by_reason else ""

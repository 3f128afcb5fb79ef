"""An existing domain as a lab file, and what of it a lab file cannot say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain import read_domain
from provision.importer.disks import imported_cdroms, imported_disks
from provision.importer.equivalence import Difference, differences
from provision.importer.machine import imported_machine, lab_name
from provision.importer.nics import imported_nics
from provision.importer.said import Said, refusal
from provision.importer.tables import why
from provision.importer.text import lab_text, shortened
from provision.load import parse_lab
from provision.render import domain_xml
from provision.spec import Host
from provision.view import machine_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from provision.command import Domain, Target

_USUAL = "qemu:///system"
_DISKS = """\
# - Its disks are the domain's own images, used as they are (overlay: false). Two machines that write to one
#   image destroy it, and nothing here looks whether the domain runs: shut it down for good before `up`.
#   `down` does not remove them.
"""
_HEAD = """\
# Domain {name} at {uri}, {how}; by `rscvm import`.
#
{disks}# - `up` refuses a name that libvirt has: undefine the domain, or call the machine otherwise.
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
        return f"{self.change()} ({shortened(self.why, 300)})"

    def change(self) -> str:
        """The note without its reason."""
        was, now = ("none" if text is None else shortened(text) or "there" for text in (self.was, self.now))
        return f"{shortened(self.path)}: {was} → {now}"


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


def _where(target: Target) -> tuple[Said, dict[str, Said], dict[str, str]]:
    """The machine's host, as far as a lab file must say it."""
    keys = {
        key: value
        for key in ("address", "port", "user", "identity", "known_hosts", "sudo", "libvirt")
        if (value := getattr(target, key)) and (key, value) != ("libvirt", _USUAL)
    }
    if not keys:
        return Said(), {}, {}
    name = lab_name(target.name, "host")
    if reason := refusal(Host, **keys):
        return Said(), {}, {"connection": reason}
    return Said({"host": name} if target.address else {}), {name: Said(keys)}, {}


def _drafted(domain: Domain, target: Target) -> tuple[str, str, dict[str, str], bool]:
    """The machine's name, the lab file without its comments about itself, reasons, and whether there are disks."""
    root = read_domain(domain.persistent_xml or domain.live_xml)
    live = read_domain(domain.live_xml) if domain.state != "off" else None
    nics = [*imported_nics(root, live, tcg=root.get("type") == "qemu")]
    disks = imported_disks(root)
    cdroms, reasons = imported_cdroms(root)
    said = imported_machine(root, live, hck=any(nic.keys.get("rsc") == "hck" for nic in nics))
    for part in (said, *nics, *disks):
        reasons |= part.reasons
    host, hosts, more = _where(target)
    name = lab_name(domain.name, "machine")
    lists: dict[str, Iterable[Said | str]] = {
        "disks": [disk for disk in disks if disk.keys],
        "cdroms": cdroms,
        "nics": [nic for nic in nics if nic.keys],
    }
    return name, lab_text(name, said, lists, host=host, hosts=hosts), reasons | more, any(lists["disks"])


def import_domain(domain: Domain, target: Target) -> Imported:
    """The domain as a lab file: its definition, or what runs where it has none; `target` is its host.

    :raise UnreadableError: when libvirt's XML is none.
    """
    name, text, reasons, disks = _drafted(domain, target)
    original = domain.persistent_xml or domain.live_xml
    lab = parse_lab(text, "lab.yaml", "/", {})
    rendered = domain_xml(machine_view(lab, name))
    notes = [
        Note(row.path, row.was, row.now, _reason(row, reasons)) for row in differences(original, rendered)
    ]
    if name != domain.name:
        notes.insert(
            0, Note("name", domain.name, name, "a lab file's names are of letters, digits, `.`, `_` and `-`")
        )
    notes += [
        Note(path, target.libvirt, None, reason) for path, reason in reasons.items() if path == "connection"
    ]
    head = _HEAD.format(
        name=shortened(domain.name),
        uri=shortened(f"{target.name}, {target.libvirt}" if target.address else target.libvirt),
        how="its definition" if domain.persistent_xml else "as it runs, for it has no definition",
        disks=_DISKS if disks else "",
        more="# - What a lab file cannot say of it, or says otherwise, stands at the end."
        if notes
        else "# - A lab file says all of it.",
    )
    return Imported(name, head + text + _tail(notes), tuple(notes))


def _tail(notes: Iterable[Note]) -> str:
    """The notes as comments, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for note in notes:
        by_reason.setdefault(shortened(note.why, 300), []).append(note.change())
    rows = (
        f"# {reason}:\n" + "".join(f"#   {change}\n" for change in changes)
        for reason, changes in by_reason.items()
    )
    return "\n# What the domain has → what the machine has:\n#\n" + "".join(rows) if by_reason else ""

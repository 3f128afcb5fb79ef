"""What may be left on a host by us, and how each such thing tells whose it is.

TAPs and bridges carry a mark as their alias, set last, so that what is marked is complete. Domains
carry our metadata and a UUID of ours. Files lie in the lab's own directory. A QEMU names our pidfile
in its command line. The journal notes what is about to be made, before it is made.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from provision.errors import UnreadableError
from provision.facts.domain import parse_domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.command import Domain
    from provision.facts.ip import Link
    from provision.spec import Lab, Machine

Kind = Literal["process", "domain", "tap", "file", "disk", "bridge", "link", "nic"]
"""In the order of taking down; `disk` is a file that `down --keep-disks` leaves, `link` a .link file."""

_LOST = (
    "move journal.json out of the lab's directory in state_dir: `down` then still finds what bears our marks, "
    "but no overlays, and not how NICs were set before"
)

_UUIDS = uuid.UUID("3f0e0c86-6a7b-5e0d-9a52-7f2c1d7b8a11")


@dataclass(frozen=True, slots=True)
class Thing:
    """Something on a host that `up` made, or was about to make."""

    kind: Kind
    name: str
    """A device's, a domain's, or a path."""
    machine: str = ""
    """The machine that it belongs to; empty for what belongs to the whole lab."""
    where: str = ""
    """The libvirt URI of a domain."""
    boot: str = ""
    """The host's boot in which it was made: a device without a mark is only ours within it."""

    was: str = ""
    """How a device was before us: JSON, by what was changed of it and then by name. Of a bridge: what we gave it."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from other things."""
        return self.kind, self.name, self.where


@dataclass(frozen=True, slots=True)
class Journal:
    """What a lab may have left on a host."""

    file: str = ""
    """The lab file that it is of: two files of one name must not take each other's things."""
    things: tuple[Thing, ...] = ()
    specs: Mapping[str, Any] = field(default_factory=dict)
    """Each machine as it was last defined or started."""
    kvm: Mapping[str, bool] = field(default_factory=dict)
    """Whether each was made for KVM: what `auto` came to then."""
    disarmed: frozenset[str] = frozenset()
    """Machines that `hck disarm` has made ordinary since they were last brought up."""

    @property
    def machines(self) -> set[str]:
        """The machines that may have left something."""
        return {thing.machine for thing in self.things if thing.machine}


def machine_uuid(lab: Lab, name: str) -> str:
    """The UUID of a machine: the same for the same state directory, lab and machine."""
    return str(uuid.uuid5(_UUIDS, f"{lab.state_dir}\0{lab.name}\0{name}"))


def link_mark(lab: Lab, machine: str, name: str) -> str:
    """The alias by which a TAP or bridge is known as ours; the digest tells labs of one name apart."""
    digest = hashlib.sha256(f"{lab.state_dir}\0{lab.name}".encode()).hexdigest()[:12]
    return f"rscvm {lab.name} {machine or '-'} {name} {digest}"


def marked_machine(lab: Lab, link: Link) -> str | None:
    """The machine that a device's mark names, empty for the lab's own; None where it bears no mark of this lab."""
    _, name, machine, _, digest, *more = [*link.alias.split(" "), *[""] * 5][:6]
    ours = link_mark(lab, "", "-").split(" ")
    if any(more) or (name, digest) != (ours[1], ours[4]) or not link.alias.startswith("rscvm "):
        return None
    return "" if machine == "-" else machine


def is_our_link(lab: Lab, link: Link, journal: Journal, boot: str) -> bool:
    """Whether a device bears our mark, or none at all and we were about to make it in this boot."""
    if link.alias:
        return marked_machine(lab, link) is not None
    return any(
        thing.name == link.name and thing.kind in ("tap", "bridge") and thing.boot == boot
        for thing in journal.things
    )


def is_our_domain(lab: Lab, domain: Domain) -> bool:
    """Whether a domain bears our metadata and our UUID for this lab."""
    facts = parse_domain(domain.persistent_xml or domain.live_xml)
    return (
        facts.mark is not None and facts.mark.lab == lab.name and facts.uuid == machine_uuid(lab, domain.name)
    )


def spec_as_noted(machine: Machine) -> dict[str, Any]:
    """A machine's settings as the journal keeps them: what is at its default is left out."""
    noted: dict[str, Any] = machine.model_dump(mode="json", exclude_defaults=True)
    return {
        **noted,
        "memory": f"{machine.memory >> 10}KiB",
    }  # as a lab file says it, so that it can be read back


def spec_digest(machine: Machine) -> str:
    """What tells, in a domain's metadata, whether the lab file has changed since."""
    text = json.dumps(spec_as_noted(machine), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def noted(journal: Journal, kind: Kind, name: str) -> Mapping[str, Mapping[str, Any]]:
    """What the journal says of how a thing was before us, by what was changed of it; empty where it does not know."""
    was = [thing.was for thing in journal.things if (thing.kind, thing.name) == (kind, name) and thing.was]
    found: dict[str, dict[str, Any]] = json.loads(was[0]) if was else {}
    return found


def merged(old: Thing | None, new: Thing) -> Thing:
    """A thing that may be noted already: what it was before our first change of it stays known."""
    if old is None or not (old.was and new.was):
        return new
    first, later = json.loads(old.was), json.loads(new.was)
    return replace(
        new, was=json.dumps({key: {**later.get(key, {}), **first.get(key, {})} for key in {**first, **later}})
    )


def written_journal(journal: Journal) -> str:
    """The journal's text."""
    head = {
        "journal": 1,
        "file": journal.file,
        "specs": dict(journal.specs),
        "kvm": dict(journal.kvm),
        "disarmed": sorted(journal.disarmed),
    }
    rows = ",\n".join("  " + json.dumps(asdict(thing)) for thing in journal.things)
    return f'{json.dumps(head)[:-1]}, "things": [\n{rows}\n]}}\n'


def _is_readable(was: str) -> bool:
    """Whether it tells how a device was, as this version notes that."""
    said = json.loads(was) if was else {}
    return isinstance(said, dict) and all(isinstance(values, dict) for values in said.values())


def parse_journal(text: str) -> Journal:
    """The journal out of its text.

    :raise UnreadableError: when it is not a journal that this version writes.
    """
    try:
        data = json.loads(text)
        if data["journal"] != 1:
            raise UnreadableError("the lab's journal", text, hint=_LOST)
        things = tuple(Thing(**row) for row in data["things"])
        if not all(thing.kind in get_args(Kind) and _is_readable(thing.was) for thing in things):
            raise UnreadableError("the lab's journal", text, hint=_LOST)
        disarmed = frozenset(map(str, data.get("disarmed", ())))
        return Journal(str(data["file"]), things, dict(data["specs"]), dict(data["kvm"]), disarmed)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableError("the lab's journal", text, hint=_LOST) from error

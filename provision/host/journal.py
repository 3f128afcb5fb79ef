"""The journal on a host: what `up` and `apply` made there, noted before it is made.

With the marks (`marks`) it tells `down` what is ours. It also notes how NICs were set before us, and each machine's
settings as it was last defined or started.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.untrusted import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["process", "tpm", "domain", "tap", "file", "disk", "bridge", "link-file", "nic"]
"""In the order of taking down; `disk` is a file that `down --keep-disks` leaves, `link-file` systemd's, which udev reads."""

_KINDS_OF_0_1 = {"link": "link-file"}
"""What 0.1.0 called kinds that have another name now."""

_LOST = (
    "move journal.json out of the lab's directory in state_dir: `down` then still finds what bears our marks, "
    "but no overlays, and not how NICs were set before"
)


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
    was: str = ""
    """How a device was before us: JSON, by what was changed of it and then by name. Of a bridge: what we gave it."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from other things."""
        return self.kind, self.name, self.where


@dataclass(frozen=True, slots=True)
class Made:
    """What was decided for a machine when it was made, beside what the lab file says."""

    layout: int = 1
    """Its row of the table of layouts."""
    properties: tuple[str, ...] | None = None
    """Which of the table's offloads its QEMU had; None: it was not asked."""
    enlightenments: tuple[str, ...] | None = None
    """What its host could have of Hyper-V; None: it was not asked."""
    features: tuple[str, ...] | None = None
    """Which of the processor's features its KVM had to hand on; None: it was not asked."""
    tsc: int | None = None


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
    made: Mapping[str, Made] = field(default_factory=dict)
    """What else was decided for each; 0.1.0 noted nothing of it."""
    disarmed: frozenset[str] = frozenset()
    """Machines that `hck disarm` has made ordinary since they were last brought up."""
    trouble: str = ""
    """Why it could not be read: what is only looked at is looked at all the same, and nothing is changed."""

    @property
    def machines(self) -> set[str]:
        """The machines that may have left something."""
        return {thing.machine for thing in self.things if thing.machine}


def noted(journal: Journal, kind: Kind, name: str) -> Mapping[str, Mapping[str, Any]]:
    """What the journal says of how a thing was before us, by what was changed of it; empty where it does not know."""
    was = [thing.was for thing in journal.things if (thing.kind, thing.name) == (kind, name) and thing.was]
    found: dict[str, dict[str, Any]] = read_json(was[0]) if was else {}
    return found


def merged(old: Thing | None, new: Thing) -> Thing:
    """A thing that may be noted already: what it was before our first change of it stays known."""
    if old is None or not (old.was and new.was):
        return new
    first, later = read_json(old.was), read_json(new.was)
    return replace(
        new, was=json.dumps({key: {**later.get(key, {}), **first.get(key, {})} for key in {**first, **later}})
    )


def written_journal(journal: Journal) -> str:
    """The journal's text.

    :raise HostError: for one that could not be read, which must not be written over.
    """
    if journal.trouble:
        raise HostError(journal.trouble, hint=_LOST)
    head = {
        "journal": 1,
        "file": journal.file,
        "specs": dict(journal.specs),
        "kvm": dict(journal.kvm),
        "made": {name: asdict(each) for name, each in journal.made.items()},
        "disarmed": sorted(journal.disarmed),
    }
    rows = ",\n".join("  " + json.dumps(asdict(thing)) for thing in journal.things)
    return f'{json.dumps(head)[:-1]}, "things": [\n{rows}\n]}}\n'


def _is_readable(was: str) -> bool:
    """Whether it tells how a device was, as this version notes that."""
    said = read_json(was) if was else {}
    return isinstance(said, dict) and all(isinstance(values, dict) for values in said.values())


def _is_spec(spec: object) -> bool:
    """Whether it tells of a machine and its NICs, as every version notes them."""
    nics = spec.get("nics", ()) if isinstance(spec, dict) else None
    return isinstance(nics, list | tuple) and all(isinstance(nic, dict) for nic in nics)


def _made(said: Mapping[str, Any]) -> Made:
    """:raise TypeError: when a value is of another type than this version notes."""
    names = {
        key: None if said[key] is None else tuple(said[key])
        for key in ("properties", "enlightenments", "features")
    }
    made = Made(**{**said, **names})
    words = [*(made.properties or ()), *(made.enlightenments or ()), *(made.features or ())]
    numbers = [made.layout, *([] if made.tsc is None else [made.tsc])]
    if not all(isinstance(word, str) for word in words) or not all(type(each) is int for each in numbers):
        raise TypeError("what was noted of a machine")
    return made


def parse_journal(text: str) -> Journal:
    """The journal out of its text.

    :raise UnreadableError: when it is not a journal that this version or an earlier one writes.
    """
    try:
        data = read_json(text)
        if data["journal"] != 1:
            raise UnreadableError("the lab's journal", text, hint=_LOST)
        rows = ({**row, "kind": _KINDS_OF_0_1.get(row["kind"], row["kind"])} for row in data["things"])
        rows = ({key: value for key, value in row.items() if key != "boot"} for row in rows)  # 0.1.0's
        things = tuple(Thing(**row) for row in rows)
        if not all(thing.kind in get_args(Kind) and _is_readable(thing.was) for thing in things):
            raise UnreadableError("the lab's journal", text, hint=_LOST)
        if not all(map(_is_spec, data["specs"].values())):
            raise UnreadableError("the lab's journal", text, hint=_LOST)
        disarmed = frozenset(map(str, data.get("disarmed", ())))
        return Journal(
            str(data["file"]),
            things,
            specs=dict(data["specs"]),
            kvm=dict(data["kvm"]),
            made={str(name): _made(each) for name, each in data.get("made", {}).items()},
            disarmed=disarmed,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableError("the lab's journal", text, hint=_LOST) from error

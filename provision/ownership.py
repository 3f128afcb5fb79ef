"""What may be left on a host by us, and how each such thing tells whose it is.

TAPs and bridges carry a mark as their alias, domains our metadata and a UUID of ours; files lie in
the lab's own directory; a QEMU names our pidfile in its command line.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from provision.errors import UnreadableError

Kind = Literal["bridge", "tap", "file", "disk", "process", "domain"]
"""`disk` is a file that `down --keep-disks` leaves."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something on a host that `up` made, or was about to make."""

    kind: Kind
    name: str
    """A device's, a domain's, or a path."""
    machine: str = ""
    """The machine that it belongs to; empty for what belongs to the whole lab."""
    where: str = ""
    """A domain's libvirt URI."""


def link_mark(state_dir: str, lab: str, machine: str, name: str) -> str:
    """The alias by which a TAP or bridge is known as ours; the digest tells labs of one name apart."""
    digest = hashlib.sha256(f"{state_dir}\0{lab}".encode()).hexdigest()[:12]
    return f"rscvm {lab} {machine or '-'} {name} {digest}"


def written_journal(things: tuple[Thing, ...]) -> str:
    """The journal's text."""
    rows = ",\n".join("  " + json.dumps(asdict(thing)) for thing in things)
    return f'{{"journal": 1, "things": [\n{rows}\n]}}\n'


def parse_journal(text: str) -> tuple[Thing, ...]:
    """Things out of a journal's text; none out of an empty one.

    :raise UnreadableError: when it is not a journal that this version writes.
    """
    if not text.strip():
        return ()
    try:
        data = json.loads(text)
        things = tuple(Thing(**row) for row in data["things"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableError("the lab's journal", text) from error
    if data.get("journal") != 1:
        raise UnreadableError("the lab's journal", text)
    return things

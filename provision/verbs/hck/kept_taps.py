"""Which TAPs `hck enforce` keeps, whether a device is the one that is meant, and what is told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from provision.facts.domain import parse_domain
from provision.host.plan.hck_flags import DISARMED, lab_as_started
from provision.host.plan.taps import is_its_own
from provision.tables.backends import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.host.state import Inventory
    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.runtime.errors import RscvmError


@dataclass(frozen=True, slots=True)
class HckNic:
    """A NIC with QEMU's HCK engine, and its TAP."""

    machine: str
    nic: str
    tap: str

    @property
    def words(self) -> str:
        """How it is called where somebody reads."""
        return f"{self.machine}.{self.nic} ({self.tap})" if self.machine else f"TAP {self.tap}"


What = Literal["kept", "off", "back", "gone", "failed", "left", "lost", "again"]
"""It is kept from now on; `tx` was switched off, again from the second time on; it was switched on at the end; it is not
there; `tx` could not be switched off; it is there and left alone; the host's keeper was lost, and listens again."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to a TAP, or to all of a host."""

    host: str
    what: What
    nic: HckNic | None = None
    """None where it is the host."""
    count: int = 0
    """How often it was switched off until now."""
    why: str = ""
    """In whose words it may be; of what did not go well."""

    @property
    def words(self) -> str:
        """What happened, for somebody to read."""
        return {
            "kept": "tx is kept off from now on",
            "off": "set tx off" + (f" again ({self.count})" if self.count > 1 else ""),
            "back": "set tx on, as it would be without us",
            "gone": "it is not there; waiting for it",
            "failed": f"tx could not be switched off: {self.why}",
            "left": f"left alone: {self.why}",
            "lost": self.why,
            "again": "listening again",
        }[self.what]

    @property
    def line(self) -> str:
        """The same, and of what."""
        if self.what == "lost":
            return self.why
        return f"{self.host if self.nic is None else self.nic.words}: {self.words}"


@dataclass(frozen=True, slots=True)
class Enforced:
    """What became of a host's TAPs."""

    counts: Mapping[HckNic, int]
    error: RscvmError | None = None
    """Why not all was kept at the end, or it is not known that all is as it was."""
    troubles: Mapping[HckNic, str] = field(default_factory=dict)
    """Why those that are there were not kept at the end."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who is told."""

    tell: Callable[[Happened], None]
    say: Say


def hck_nics(lab: Lab, names: Sequence[str]) -> list[HckNic]:
    """The NICs with the engine that these machines have, as the lab file has them."""
    return [
        HckNic(name, nic.name, nic.ifname)
        for name in names
        for nic in lab.machines[name].nics
        if nic.profile == "hck" and BACKENDS[nic.kind].tap
    ]


def is_there(of: HckNic, index: int, state: Inventory) -> bool:
    """Whether the device that bears the TAP's name is the one of that ifindex."""
    link = state.links.get(of.tap)
    return link is not None and link.index == index


def why_not_kept(lab: Lab, of: HckNic, state: Inventory) -> str:
    """Why the device of that name is not to be touched; empty where it is proven to be this NIC's TAP."""
    if not is_its_own(lab, of.machine, of.tap, state):
        return f"a device {of.tap} is there, and that it is {of.machine}'s is not proven"
    return "" if _has_engine(lab, of, state) else DISARMED


def _has_engine(lab: Lab, of: HckNic, state: Inventory) -> bool:
    """Whether what runs was started with the engine, by what was noted of it or is in its domain."""
    domain = state.domains.get(of.machine)
    mark = parse_domain(domain.live_xml).mark if domain is not None else None
    if mark is not None:
        return any(name == of.nic and rsc == "hck" for name, _, rsc in mark.nics)
    nics = lab_as_started(lab, state).machines[of.machine].nics
    return any(nic.name == of.nic and nic.profile == "hck" for nic in nics)

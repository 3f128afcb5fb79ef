"""What a plan is made of: actions, steps that say why, drift, and the plan. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.runtime.command import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.host.journal import Thing
    from provision.host.state import Inventory


@dataclass(frozen=True, slots=True)
class Define:
    """Define a domain."""

    xml: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start a defined domain."""

    domain: str


@dataclass(frozen=True, slots=True)
class Destroy:
    """Pull a running domain's plug."""

    domain: str


@dataclass(frozen=True, slots=True)
class Undefine:
    """Remove a domain's definition, with its firmware's variables and its TPM's state."""

    domain: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """See that a NIC is as it was: the status of ethtool's commands does not tell."""

    device: str
    was: str
    """As the journal notes it."""


@dataclass(frozen=True, slots=True)
class Autostart:
    """Whether libvirt starts a domain when the host starts."""

    domain: str
    on: bool


Action = Run | Define | Start | Destroy | Undefine | Autostart | ReadBack


HOST = ""
"""The scope of a step that is for the host itself, or for the whole lab."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change on one host."""

    host: str
    scope: str
    """The machine that it is for, or HOST."""
    what: str
    why: str
    do: tuple[Action, ...]
    undo: tuple[Action, ...] = ()
    makes: tuple[Thing, ...] = ()
    diff: tuple[str, ...] = ()
    """The change, in lines that begin with `+` and `-`."""
    guarded: bool = field(default=False, kw_only=True)
    """Whether it may cut the host off, so that the host itself takes it back unless it hears from us."""
    attempt: bool = field(default=False, kw_only=True)
    """Whether it is only tried: somebody else has the last word."""
    features: Mapping[str, bool] = field(default_factory=dict, kw_only=True)
    """What it asks ethtool to set of its device, by the names that `ethtool -k` prints."""
    devices: tuple[str, ...] = field(default=(), kw_only=True)
    """Network devices whose settings it changes: once it is undone, they are as they were found."""
    exclusive: bool = field(default=True, kw_only=True)
    """Whether its first action fails where somebody else made the same thing, which is not ours to undo then."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What runs otherwise than the lab file has it; nothing but a power cycle mends it."""

    machine: str
    what: str
    diff: tuple[str, ...] = ()
    mended: bool = False
    """Whether a step of the plan mends it, because it was we who changed it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change, and what is worth saying beside it."""

    steps: tuple[Step, ...]
    opening: Step | None = None
    """Notes in the journal what the steps will make; undone only when all of them are."""
    closing: Step | None = None
    """Brings the journal up to date; left out when a step before it failed. What is marked by then is known by its mark."""
    notes: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    found: Inventory | None = None
    """The host as it was found, which the plan was made from."""
    kept: tuple[str, ...] = ()
    """What was to go and must stay, with the reason: the plan is not all that was asked for."""

    @property
    def whats(self) -> list[str]:
        """What each step does, in words."""
        return [step.what for step in self.steps]

"""`fix --guest`: what of a guest's own settings is changed, read back, and the commands that put it back."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.guest_change import GuestChange, Kind, parse_guest_change
from provision.render.guest_scripts import (
    enable_linux,
    enable_offload_globally,
    enable_rsc,
    restoring,
    set_keyword,
    stop_forwarding,
)
from provision.runtime.errors import HostError, RscvmError
from provision.runtime.powershell import literal, pattern
from provision.tables.families import FAMILY_NAMES
from provision.verbs.fix.repair import causes_of
from provision.verbs.fix.taps import Change, name_of
from provision.verify.evidence import Family, Unasked
from provision.verify.judge.guest_rungs import KEYWORDS, answered, has_nat, told
from provision.verify.judge.ladder import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from provision.runtime.command import Say
    from provision.runtime.guest_channel import Script
    from provision.runtime.protocols import Edges
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict

_PATIENCE = 60.0
"""Seconds for one script; an adapter that is restarted takes some of them."""


@dataclass(frozen=True, slots=True)
class InGuest(Change):
    """A setting of a guest's."""

    restore: tuple[str, ...] = ()
    """The commands that put back what was found."""


@dataclass(frozen=True, slots=True)
class GuestMend:
    """One setting of a guest that keeps RSC off."""

    nic: NicEvidence
    change: InGuest
    script: Script
    asked: GuestChange
    """The answer that says no more than that it was done."""


def guest_mends(verdicts: Sequence[NicVerdict]) -> list[GuestMend]:
    """What to change in the guests that answered; what concerns a whole guest once for it."""
    found: dict[tuple[str, str], GuestMend] = {}
    for verdict in verdicts:
        for mend in _mends(verdict):
            found.setdefault((verdict.evidence.machine, mend.change.what), mend)
    return list(found.values())


def _mends(verdict: NicVerdict) -> Iterator[GuestMend]:
    nic, guest = verdict.evidence, answered(verdict.evidence)
    if guest is None or guest.adapter is None or has_nat(nic):
        return
    rows, adapter = _ROWS[guest.facts.system], guest.adapter
    for cause, families, seen in causes_of(verdict):
        for row, of in rows[cause.id](nic, families) if cause.id in rows else ():
            words = row.words(adapter.name, [FAMILY_NAMES[family] for family in of])
            named = "" if row.kind == "global" else adapter.name
            settings = row.settings(of)
            asked = GuestChange(row.kind, named, {key: _OTHER[to] for key, to in settings.items()}, settings)
            change = InGuest(
                nic.machine, name_of(verdict), cause.id, words, seen, restore=tuple(restoring(asked))
            )
            yield GuestMend(nic, change, row.script(nic.mac, of), asked)


@dataclass(frozen=True, slots=True)
class _Row:
    """How a cause is mended in a guest."""

    words: Callable[[str, Sequence[str]], str]
    """As a person would do it, by the adapter's name and the families'."""
    script: Callable[[str, Sequence[Family]], Script]
    """By the adapter's MAC address."""
    kind: Kind
    settings: Callable[[Sequence[Family]], Mapping[str, str]]
    """What it leaves set, by setting."""


def _enable(adapter: str, families: Sequence[str]) -> str:
    return f"Enable-NetAdapterRsc -Name {pattern(adapter)} {' '.join(f'-{family}' for family in families)}"


def _stop(adapter: str, families: Sequence[str]) -> str:
    named = f"Set-NetIPInterface -InterfaceAlias {pattern(adapter)} -AddressFamily"
    return "; ".join(f"{named} {family} -Forwarding Disabled" for family in families)


def _keyword(adapter: str, families: Sequence[str]) -> str:
    keyword = literal(f"*Rsc{families[0]}")
    return (
        f"Set-NetAdapterAdvancedProperty -Name {pattern(adapter)} -RegistryKeyword {keyword} -RegistryValue 1"
    )


_OTHER = {"True": "False", "Enabled": "Disabled", "Disabled": "Enabled", "1": "0", "on": "off"}
"""What a setting was that has to be set so."""


def _of_families(value: str) -> Callable[[Sequence[Family]], Mapping[str, str]]:
    return lambda families: {FAMILY_NAMES[family]: value for family in families}


_SWITCH = _Row(_enable, enable_rsc, "rsc", _of_families("True"))
_KEYWORD = _Row(
    _keyword,
    lambda mac, families: set_keyword(mac, KEYWORDS[families[0]], "1"),
    "keyword",
    lambda families: {KEYWORDS[families[0]]: "1"},
)
_GLOBAL = _Row(
    lambda *_: "Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing Enabled",
    lambda *_: enable_offload_globally(),
    "global",
    lambda _: {"ReceiveSegmentCoalescing": "Enabled"},
)
_FORWARDING = _Row(_stop, stop_forwarding, "forwarding", _of_families("Disabled"))

Rows = Iterable[tuple[_Row, Sequence[Family]]]


def _on_adapter(nic: NicEvidence, families: Sequence[Family]) -> Rows:
    """By Windows' own switch where it says that it is off; else by the keyword, a family at a time."""
    off = [family for family in families if told(nic, family).enabled is not True]
    yield from [(_SWITCH, off)] if off else []
    yield from ((_KEYWORD, [family]) for family in families if family not in off)


def _on_linux(nic: NicEvidence, families: Sequence[Family]) -> Rows:
    """By the feature that it is in that kernel, for both families at once."""
    switch = told(nic, families[0]).switch
    yield (
        _Row(
            lambda adapter, _: shlex.join(("ethtool", "-K", adapter, switch, "on")),
            lambda mac, _: enable_linux(mac),
            "linux",
            lambda _: {switch: "on"},
        ),
        families,
    )


_ROWS: Mapping[str, Mapping[str, Callable[[NicEvidence, Sequence[Family]], Rows]]] = {
    "windows": {
        "nic-property-disabled": _on_adapter,
        "offload-globally-disabled": lambda _, families: [(_GLOBAL, families)],
        "forwarding-enabled": lambda _, families: [(_FORWARDING, families)],
    },
    "linux": {"nic-property-disabled": _on_linux},
}


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of changing guests."""

    changed: tuple[InGuest, ...] = ()
    notes: tuple[str, ...] = ()
    error: RscvmError | None = None
    """The first of guests that did not do it, or did not say whether; the others' are among the notes."""


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of a host's machines, which are changed by the ways by which they answered."""

    edges: Edges
    host: str

    def mend(self, mends: Sequence[GuestMend], say: Say) -> Mended:
        """Change what keeps RSC off in guests, each by the way in by which it answered."""
        changed: list[InGuest] = []
        notes: list[str] = []
        errors: list[RscvmError] = []
        for mend in mends:
            nic = mend.change.nic
            say(f"in the guest of {mend.nic.machine}: {mend.change.what}")
            try:
                fix = self._run(mend)
            except RscvmError as error:
                errors.append(error)
                continue
            restore = tuple(restoring(fix))
            changed.append(replace(mend.change, restore=restore))
            notes += [f"{nic}: in the guest: {trouble}" for trouble in fix.troubles]
        notes += [f"{error}{f' ({error.hint})' if error.hint else ''}" for error in errors[1:]]
        return Mended(tuple(changed), tuple(notes), next(iter(errors), None))

    def _run(self, mend: GuestMend) -> GuestChange:
        """Run a mend's script.

        :raise RscvmError: when the guest does not answer, or nothing was changed.
        """
        guest, machine = answered(mend.nic), mend.nic.machine
        if guest is None or guest.way is None:
            raise HostError(f"{machine}: its guest cannot be reached again")
        with self.edges.guest(self.host, guest.way) as channel:
            result = channel.run(mend.script, timeout=_PATIENCE)
        fix = parse_guest_change(result.check().out)
        if not _answers(fix, mend.asked):
            raise HostError(f"{machine}: the guest says that it changed something else than it was asked to")
        why = "; ".join(fix.troubles) or "it told no reason"
        if fix.unread:
            raise HostError(
                f"{machine}: whether the guest changed it was not read back: {why}",
                hint=f"in the guest, this puts it back: {'; '.join(restoring(fix))}",
            )
        if not fix.changed:
            raise HostError(f"{machine}: the guest changed nothing: {why}")
        return fix


def _answers(fix: GuestChange, asked: GuestChange) -> bool:
    """Whether an answer is of what was asked: its settings, at its adapter, and what has changed is as it was wanted."""
    same = fix.kind == asked.kind and fix.adapter in ("", asked.adapter)
    known = asked.new.keys() if asked.kind != "rsc" else FAMILY_NAMES.values()
    left = all(fix.new[name] == asked.new.get(name, fix.new[name]) for name in fix.changed)
    return same and {*fix.old, *fix.new} <= {*known} and left


def is_restarting(names: Collection[str], nic: NicEvidence) -> bool:
    """Whether one of these NICs, whose adapters may have been restarted, has no driver yet, or its guest does not answer yet."""
    if f"{nic.machine}.{nic.nic}" not in names:
        return False
    without = not isinstance(nic.virtio, Unasked) and not loaded(nic)
    return nic.state == "running" and (without or isinstance(nic.guest, Unasked))

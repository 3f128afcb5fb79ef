"""`fix --guest`: what of a guest's own settings is changed, read back, and the commands that put it back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provision.facts.guest_fix import GuestFix, parse_guest_fix
from provision.render.guest_scripts import fix_script
from provision.runtime.errors import HostError, RscvmError
from provision.runtime.powershell import literal
from provision.runtime.safe_text import short
from provision.verbs.fix.taps import Change, name_of
from provision.verify.collect.guest_answers import agent_way
from provision.verify.judge.guest_rungs import answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from provision.runtime.command import Say
    from provision.runtime.guest_channel import GuestWay, Script
    from provision.runtime.protocols import Edges
    from provision.verify.collect.source import MachineSource
    from provision.verify.evidence import Family, NicEvidence
    from provision.verify.judge.verdict import NicVerdict

_PATIENCE = 60.0
"""Seconds for one script; an adapter that is restarted takes some of them."""
_NAMES: Mapping[Family, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}


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
    restored: Callable[[GuestFix], Sequence[str]] = field(repr=False)
    """The commands that put back what a script has found."""


def guest_mends(verdicts: Sequence[NicVerdict]) -> list[GuestMend]:
    """What to change in the guests that answered; what concerns a whole guest once for it."""
    found: dict[tuple[str, str], GuestMend] = {}
    for verdict in verdicts:
        for mend in _mends(verdict):
            found.setdefault((verdict.evidence.machine, mend.change.what), mend)
    return list(found.values())


def _mends(verdict: NicVerdict) -> Iterator[GuestMend]:
    nic, guest = verdict.evidence, answered(verdict.evidence)
    if guest is None or guest.adapter is None or verdict.verdict != "not-ready":
        return
    by_cause: dict[str, list[Family]] = {}
    seen: dict[str, str] = {}
    for family, finding in verdict.families.items():
        if finding.cause is not None and finding.cause.id in _WORDS[guest.facts.system]:
            by_cause.setdefault(finding.cause.id, []).append(family)
            seen.setdefault(finding.cause.id, finding.seen)
    for cause, families in by_cause.items():
        words, restored = _WORDS[guest.facts.system][cause](guest.adapter.name, families)
        change = InGuest(nic.machine, name_of(verdict), cause, words, seen[cause])
        yield GuestMend(nic, change, fix_script(guest.facts.system, cause, nic.mac, families), restored)


Words = tuple[str, "Callable[[GuestFix], Sequence[str]]"]


def _adapter(name: str, families: Sequence[Family]) -> Words:
    switches = " ".join(f"-{_NAMES[family]}" for family in families)

    def restored(fix: GuestFix) -> list[str]:
        off = " ".join(f"-{_NAMES[family]}" for family in families if fix.old.get(family) is False)
        return [f"Disable-NetAdapterRsc -Name {literal(name)} {off}"] if off else []

    return f"Enable-NetAdapterRsc -Name {literal(name)} {switches}", restored


def _global(_name: str, _families: Sequence[Family]) -> Words:
    command = "Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing"
    key = "ReceiveSegmentCoalescing"
    return f"{command} Enabled", lambda fix: [f"{command} Disabled"] if fix.old.get(key) == "Disabled" else []


def _forwarding(name: str, families: Sequence[Family]) -> Words:
    def command(family: Family, to: str) -> str:
        interface = f"-InterfaceAlias {literal(name)} -AddressFamily {_NAMES[family]}"
        return f"Set-NetIPInterface {interface} -Forwarding {to}"

    def restored(fix: GuestFix) -> list[str]:
        on = [family for family in families if fix.old.get(_NAMES[family]) == "Enabled"]
        return [command(family, "Enabled") for family in on]

    return "; ".join(command(family, "Disabled") for family in families), restored


def _linux(name: str, _families: Sequence[Family]) -> Words:
    command = f"ethtool -K {short(name, 15)} rx-gro-hw"
    return f"{command} on", lambda fix: [f"{command} off"] if fix.old.get("rx-gro-hw") is False else []


_WORDS: Mapping[str, Mapping[str, Callable[[str, Sequence[Family]], Words]]] = {
    "windows": {
        "nic-property-disabled": _adapter,
        "offload-globally-disabled": _global,
        "forwarding-enabled": _forwarding,
    },
    "linux": {"nic-property-disabled": _linux},
}


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of changing guests."""

    changed: tuple[InGuest, ...] = ()
    notes: tuple[str, ...] = ()
    error: RscvmError | None = None
    """Of a guest that did not do it, or did not say whether."""


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of a host's machines, and the ways into them."""

    edges: Edges
    host: str
    ways: Callable[[NicEvidence], Sequence[GuestWay]]

    def mend(self, mends: Sequence[GuestMend], say: Say) -> Mended:
        """Change what keeps RSC off in guests, each by the way in by which it answered."""
        changed: list[InGuest] = []
        notes: list[str] = []
        for mend in mends:
            nic = mend.change.nic
            say(f"in the guest of {mend.nic.machine}: {mend.change.what}")
            try:
                fix = self._run(mend)
            except RscvmError as error:
                return Mended(tuple(changed), tuple(notes), error)
            restore = tuple(mend.restored(fix))
            changed.append(replace(mend.change, restore=restore))
            notes += [f"{nic}: `{command}` in the guest puts it back as it was" for command in restore]
            notes += [f"{nic}: the guest could not do all: {trouble}" for trouble in fix.troubles]
        return Mended(tuple(changed), tuple(notes))

    def _run(self, mend: GuestMend) -> GuestFix:
        """Run a mend's script.

        :raise RscvmError: when the guest does not answer, or nothing was changed.
        """
        guest, machine = answered(mend.nic), mend.nic.machine
        way = next((way for way in self.ways(mend.nic) if guest and str(way) == guest.channel), None)
        if way is None:
            raise HostError(f"{machine}: its guest cannot be reached again")
        with self.edges.guest(self.host, way) as channel:
            result = channel.run(mend.script, timeout=_PATIENCE)
        fix = parse_guest_fix(result.check().out)
        if not fix.new:
            why = "; ".join(fix.troubles) or "it told no reason"
            raise HostError(f"{machine}: the guest changed nothing: {why}")
        return fix


def guests_of(source: MachineSource, edges: Edges) -> Guests:
    """The guests of a source's machines: by the ways that their lab file names, else by their agents."""
    return Guests(edges, source.host, lambda nic: source.ways(nic) or agent_way(nic))

"""Switches a TAP's offloads off for a while: behind the host's own undo, and never for longer."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from provision.host.apply.deadman import deadman_step, fire_left_over, patience
from provision.host.apply.execute import perform, run_steps, undo_steps
from provision.host.apply.lock import locked
from provision.host.plan.steps import Step
from provision.host.read.devices import FEATURES, LINKS
from provision.lab.paths import LabPaths
from provision.runtime.command import shell
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, LostError, WaitedError
from provision.runtime.given_back import given_back
from provision.runtime.questions import ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.ethtool_features import Features
    from provision.host.apply.session import HostSession
    from provision.runtime.command import Run, Say
    from provision.verbs.bench.reading import Reading
    from provision.verify.evidence import NicEvidence

_AFTER = 40
"""Seconds that a host may take to be reached again once it has put back what was found."""

# By the index, which no other device ever gets: a name may be another TAP's by the time that it is to be given back. Checksum
# takes TSO with it (netdev_fix_features): the TAP is then as that of a device that offers neither. A guest that starts its
# driver anew just then asks for none of it for a moment. A device that has gone took its features along. Not by /sys, which
# may be another network namespace's; a TAP has no device below it, whose name `ip` would add.
_SWITCH = r"""
name=$(ip -o link | while IFS=': ' read -r index name _; do [ "$index" != "$1" ] || echo "$name"; done)
if [ -n "$name" ]; then
    LC_ALL=C ethtool -K "$name" tx-checksumming "$2" >&2
    LC_ALL=C ethtool -k "$name" | grep -Eq "^[[:space:]]*tx-checksum-ip-generic: ($2|off \[requested $2\])" && exit 0
    echo "$name's checksum is not $2" >&2
    exit 1
fi
[ "$2" = on ] || { echo "there is no device of index $1" >&2; exit 1; }
"""
SCRIPTS = {"switch a TAP's checksum": _SWITCH}
"""Every constant script above, for the linter."""


def _switch(index: int, state: str) -> Run:
    return shell(_SWITCH, str(index), state)


@contextmanager
def switched_off(
    session: HostSession, nic: NicEvidence, found: Reading, lasting: int, say: Say
) -> Iterator[None]:
    """Take checksum and TSO from a NIC's TAP for the block, of so many seconds at most; for the holder of the lock.

    However it ends, the TAP has them back: we give them back, also after an interruption, and read that back; where we
    cannot any more, killed or cut off, the host itself does.

    :raise HostError: when they cannot be taken; the TAP has them then. When they cannot be given back: the host tries, too.
    :raise KeyboardInterrupt: when it was interrupted; caused by such an error, where there is one.
    """
    off = _off_step(session.host, nic, found)
    steps = deadman_step(LabPaths(session.lab.state_dir, session.lab.name).undo, (off,), lasting), off
    begun: list[Step] = []
    with given_back(lambda: _give_back(session, steps, begun, say), say):
        run_steps(session.edges, steps, lambda _: None, begun)
        yield


def _give_back(session: HostSession, steps: tuple[Step, Step], begun: Sequence[Step], say: Say) -> None:
    """Give back what was taken, and only then end the host's own undo.

    :raise HostError: when it does not take; the host tries again then, at its time.
    """
    armed, off = steps
    try:
        for action in off.undo if off in begun else ():
            perform(session.edges, session.host, action)
    except LostError:
        raise
    except HostError as error:
        tap = off.devices[0]
        raise HostError(
            f"{tap} was not given its checksum and TSO back: {error}",
            hint=f"`ethtool -K {tap} tx on` on {session.host}; it tries that itself once more, soon",
        ) from error
    told: list[str] = []
    if not undo_steps(session.edges, [step for step in begun if step is armed], told.append):
        for line in told:  # that it went well after each leg is worth no words
            say(line)


def _off_step(host: str, nic: NicEvidence, found: Reading) -> Step:
    return Step(
        host,
        nic.machine,
        f"switch {found.link.name}'s checksum and TSO off",
        "this leg is to be without RSC",
        (_switch(found.link.index, "off"),),
        (_switch(found.link.index, "on"),),
        exclusive=False,
        devices=(found.link.name,),
    )


def put_back(
    session: HostSession, nic: NicEvidence, found: Reading, lasting: int, lost: LostError
) -> HostError:
    """Wait until a host that was lost meanwhile has put the TAP back, and tell how that ended."""
    paths = LabPaths(session.lab.state_dir, session.lab.name)
    runner, step = session.edges.host(session.host), _off_step(session.host, nic, found)

    def settled() -> Features | None:
        with suppress(HostError), locked(runner, paths, "a bench that had lost its host"):
            fire_left_over(session.edges, session.lab, session.host)
            answers = ask(runner, (FEATURES, LINKS))
            names = [link.name for link in answers[LINKS].values() if link.index == found.link.index]
            return answers[FEATURES].devices.get(names[0]) if names else None
        return None

    seconds = patience((step,), lasting)
    try:
        now = wait_for(settled, Deadline(seconds + _AFTER), f"{session.host} to be back", every=1)
    except WaitedError:
        return HostError(
            f"{session.host} was lost ({lost}), and does not come back",
            hint=f"its own undo puts {nic.tap} back within {seconds} s of the leg's beginning",
        )
    if now == found.features:
        return HostError(
            f"{session.host} was lost ({lost}); {nic.tap} is as it was found, which was read back"
        )
    return not_as_found(nic, found.features, now, str(lost))


def not_as_found(nic: NicEvidence, found: Features, now: Features, why: str = "") -> HostError:
    """What is to be said of a TAP that is not as it was."""
    changed = [f"{name}: {now.get(name)}, was {was}" for name, was in found.items() if now.get(name) != was]
    return HostError(
        f"{nic.tap} is not as it was found: {', '.join(changed)}" + (f" ({why})" if why else ""),
        hint=f"the guest's driver may have started anew meanwhile; `rscvm check` judges {nic.machine} as it is now",
    )

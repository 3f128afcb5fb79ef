"""Switches a TAP's offloads off for a while: behind the host's own undo, and never for longer."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from provision.host.apply.deadman import deadman_step, fire_left_over, patience
from provision.host.apply.execute import run_steps, undo_steps
from provision.host.apply.lock import locked
from provision.host.plan.taps import switch_step
from provision.host.read.devices import FEATURES
from provision.lab.paths import LabPaths
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, LostError, WaitedError
from provision.runtime.questions import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts.ethtool_features import Features
    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Step
    from provision.runtime.command import Say
    from provision.verify.evidence import NicEvidence

CHECKSUM = "tx-checksumming"
"""What takes TSO with it (netdev_fix_features): the TAP is then as that of a device that offers neither."""
_AFTER = 40
"""Seconds that a host may take to be reached again once it has put back what was found."""


@contextmanager
def switched_off(
    session: HostSession, nic: NicEvidence, found: Features, lasting: int, say: Say
) -> Iterator[None]:
    """Take checksum and TSO from a NIC's TAP for the block, of so many seconds at most; for the holder of the lock.

    However it ends, the TAP has them back: we give them back, also after an interruption; where we cannot any more,
    killed or cut off, the host itself does.

    :raise HostError: when they cannot be taken; the TAP has them then.
    """
    step = _off_step(session.host, nic, found)
    path = LabPaths(session.lab.state_dir, session.lab.name).undo
    begun: list[Step] = []
    said: list[str] = []
    try:
        run_steps(session.edges, (deadman_step(path, (step,), lasting), step), said.append, begun)
        yield
    finally:
        said.clear()
        if not undo_steps(session.edges, begun, said.append):
            for line in said:
                say(line)


def _off_step(host: str, nic: NicEvidence, found: Features) -> Step:
    words = (f"switch {nic.tap}'s checksum and TSO off", "this leg is to be without RSC")
    return switch_step((host, nic.machine), nic.tap or "", {CHECKSUM: False}, found, words)


def put_back(
    session: HostSession, nic: NicEvidence, found: Features, lasting: int, lost: LostError
) -> HostError:
    """Wait until a host that was lost meanwhile has put the TAP back, and tell how that ended."""
    paths = LabPaths(session.lab.state_dir, session.lab.name)
    runner, step = session.edges.host(session.host), _off_step(session.host, nic, found)

    def settled() -> Features | None:
        with suppress(HostError), locked(runner, paths, "a bench that had lost its host"):
            fire_left_over(session.edges, session.lab, session.host)
            return ask(runner, [FEATURES])[FEATURES].devices.get(nic.tap or "")
        return None

    seconds = patience((step,), lasting)
    try:
        now = wait_for(settled, Deadline(seconds + _AFTER), f"{session.host} to be back", every=1)
    except WaitedError:
        return HostError(
            f"{session.host} was lost ({lost}), and does not come back",
            hint=f"its own undo puts {nic.tap} back within {seconds} s of the leg's beginning",
        )
    if now == found:
        return HostError(
            f"{session.host} was lost ({lost}); {nic.tap} is as it was found, which was read back"
        )
    return not_as_found(nic, found, now, str(lost))


def not_as_found(nic: NicEvidence, found: Features, now: Features, why: str = "") -> HostError:
    """What is to be said of a TAP that is not as it was."""
    changed = [f"{name}: {now.get(name)}, was {was}" for name, was in found.items() if now.get(name) != was]
    return HostError(
        f"{nic.tap} is not as it was found: {', '.join(changed)}" + (f" ({why})" if why else ""),
        hint=f"the guest's driver may have started anew meanwhile; `rscvm check` judges {nic.machine} as it is now",
    )

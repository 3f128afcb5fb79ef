"""The reference: the same machine without the offloads at its device (`rsc: false`), by power cycles."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from provision.host.apply.deadman import deadman_step
from provision.host.apply.execute import run_steps, undo_steps
from provision.host.plan.bare_machines import process_step
from provision.host.plan.power_cycle import definition_step
from provision.host.plan.resolved import resolved_view
from provision.host.plan.up import plan_up
from provision.host.read.host import read_host
from provision.lab.paths import LabPaths
from provision.runtime.command import Run
from provision.runtime.errors import HostError, LostError
from provision.runtime.given_back import given_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Step
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.verify.evidence import NicEvidence

_STATUS = "`rscvm status` tells how it is"
_GUEST = "guest_"
"""What the names of the offloads begin with that a device offers its guest for receiving."""


@contextmanager
def without_offloads(session: HostSession, nic: NicEvidence, lasting: int, say: Say) -> Iterator[None]:
    """Let the machine run with `rsc: false` at a NIC for the block, of so many seconds at most; for the holder of the lock.

    Its plug is pulled, and once more after the block, so that it runs as before. A machine without libvirt is brought
    back by the host itself where we cannot any more; of libvirt's, `rscvm up` tells what there is to do then.

    :raise HostError: when it is not as its lab file has it, or does not start; it runs as before then.
    """
    state = read_host(session.edges, session.lab, session.host, [nic.machine])
    step = reference_step(session.lab, nic.machine, nic.nic, state)
    path = LabPaths(session.lab.state_dir, session.lab.name).undo
    whole = all(isinstance(action, Run) for action in step.undo)
    steps = (deadman_step(path, (step,), lasting), step) if whole else (step,)
    begun: list[Step] = []

    def give() -> None:
        said: list[str] = []
        if not undo_steps(session.edges, begun, said.append):
            raise HostError(f"{nic.machine} does not run as before: {'; '.join(said)}", hint=_STATUS)

    try:
        with given_back(give, say):
            run_steps(session.edges, steps, say, begun)
            yield
    except LostError as error:
        back = f"{session.host} itself starts it as it was" if whole else _STATUS
        raise HostError(f"lost while {nic.machine} ran with `rsc: false`: {error}", hint=back) from error


def reference_step(lab: Lab, name: str, nic: str, state: HostState) -> Step:
    """A machine that runs restarted without guest checksum and TSO at one of its NICs, and nothing else changed. Pure.

    :raise HostError: when it runs otherwise than its lab file has it: it would not be brought back as it was.
    """
    plan = plan_up(lab, state.name, [name], state)
    if plan.steps or plan.drift:
        raise HostError(
            f"{name} does not run as its lab file has it, so it would not be brought back as it was",
            hint="`rscvm plan` tells what differs, and `rscvm up` puts it right; or leave out --reference",
        )
    plain = lab_without_offloads(lab, name, nic)
    views = resolved_view(lab, name, state), resolved_view(plain, name, state)
    words = (
        f"restart {name} with `rsc: false` at {nic}",
        "the reference is a device without guest checksum and TSO",
    )
    if views[0].paths.pidfile(name) in state.processes:
        return process_step(views, words)
    return definition_step(plain, views, state.domains[name], words, cycle=True)


def lab_without_offloads(lab: Lab, name: str, nic: str) -> Lab:
    """The lab with `rsc: false` at one NIC, whatever offloads it names."""
    machine = lab.machines[name]
    nics = tuple(
        each.model_copy(
            update={
                "rsc": "false",
                "offloads": {key: on for key, on in each.offloads.items() if not key.startswith(_GUEST)},
            }
        )
        if each.name == nic
        else each
        for each in machine.nics
    )
    changed = machine.model_copy(update={"nics": nics})
    return lab.model_copy(update={"machines": {**lab.machines, name: changed}})

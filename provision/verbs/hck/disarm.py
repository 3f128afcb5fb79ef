"""`hck disarm`: make ordinary machines of those for the HCK test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.apply.transaction import apply_plan, undo_plan
from provision.host.marks import is_our_domain
from provision.host.preflight.machines import journal_obstacles
from provision.host.read.host import read_host
from provision.runtime.errors import HostError
from provision.runtime.interrupt import finish
from provision.verbs.hck.plan_disarm import plan_disarm, undisarmable
from provision.verbs.up import set_new_taps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan, Step
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.runtime.command import Say


def disarm(session: HostSession, names: Sequence[str], say: Say, *, restart: bool) -> Plan:
    """Take QEMU's engine from these machines, until `up` gives it back; of what runs only with `restart`.

    :raise HostError: when a machine cannot be disarmed, and nothing has been touched; or when a step fails, and what
        was done has been taken back.
    :raise KeyboardInterrupt: when one arrived; what was done has been taken back.
    """
    with session.locked(say):
        state = read_host(session.edges, session.lab, session.host, names)
        if sentences := [*obstacles(session.lab, names, state)]:
            raise HostError(f"{session.host} is not ready for this:\n  " + "\n  ".join(sentences))
        if not restart and (running := undisarmable(session.lab, names, state)):
            raise HostError(
                "\n  ".join(("nothing was changed:", *running)),
                hint="--restart ends it and starts it without them",
            )
        plan = plan_disarm(session.lab, names, state, restart=restart)
        begun: list[Step] = []
        try:
            done = apply_plan(session.edges, session.lab, plan, say, begun)
            late = set_new_taps(session, names, say) if restart and plan.steps else ()
            finish()
        except (HostError, KeyboardInterrupt):
            undo_plan(session.edges, plan, begun, say)
            raise
        return replace(done, steps=(*done.steps, *late))


def obstacles(lab: Lab, names: Sequence[str], state: HostState) -> Iterator[str]:
    """Why these machines are not ours to disarm."""
    yield from journal_obstacles(lab, state)
    for name in names:
        domain = state.domains.get(name)
        if lab.machines[name].backend == "libvirt" and domain is not None and not is_our_domain(lab, domain):
            yield f"{name}: a domain of that name is there and is not ours"

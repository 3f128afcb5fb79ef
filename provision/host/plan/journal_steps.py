"""The step that writes the journal, before all others. Pure."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from provision.host.journal import merged
from provision.host.plan.commands import forget_lab, write_journal
from provision.host.plan.resolved import as_noted
from provision.host.plan.steps import HOST, Step
from provision.lab.identity import spec_as_noted
from provision.lab.paths import LabPaths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.render.view import MachineView


def journal_step(
    lab: Lab,
    views: Mapping[str, MachineView],
    steps: Sequence[Step],
    state: HostState,
    *,
    flags: Mapping[str, bool] = MappingProxyType({}),
) -> Step:
    """Write down what the steps are about to make, so that `down` finds it whatever happens.

    :param views: the machines as the steps leave them.
    :param flags: machines that are noted as having their HCK flags from now on, or as having lost them.
    """
    paths = LabPaths(lab.state_dir, lab.name)
    made = {thing.key: thing for thing in state.journal.things}
    for thing in (thing for step in steps for thing in step.makes):
        made[thing.key] = merged(made.get(thing.key), thing)
    begun = {step.scope for step in steps if any(thing.kind in ("process", "domain") for thing in step.makes)}
    begun |= {name for name, on in flags.items() if on}
    noted = [views[name] for name in sorted(begun)]
    journal = replace(
        state.journal,
        file=lab.file,
        things=tuple(made.values()),
        specs={**state.journal.specs, **{view.name: spec_as_noted(view.spec) for view in noted}},
        disarmed=(state.journal.disarmed - begun) | {name for name in begun if not flags.get(name, True)},
        kvm={**state.journal.kvm, **{view.name: view.choices.kvm for view in noted}},
        made={**state.journal.made, **{view.name: as_noted(view.choices) for view in noted}},
    )
    undo = write_journal(paths, state.journal) if state.journal.things else forget_lab(paths)
    return Step(
        state.name,
        HOST,
        f"note in {paths.journal} what is to be made",
        "so that `down` finds it whatever happens",
        (write_journal(paths, journal),),
        (undo,),
        exclusive=False,
    )

"""The step that writes the journal, before all others. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.journal import merged
from provision.host.plan.commands import forget_lab, write_journal
from provision.host.plan.resolved import as_noted, resolved_view
from provision.host.plan.steps import HOST, Step
from provision.lab.identity import spec_as_noted
from provision.lab.paths import LabPaths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.host.state import HostState
    from provision.lab.spec import Lab


def journal_step(
    lab: Lab,
    steps: Sequence[Step],
    state: HostState,
    armed: Mapping[str, bool] | None = None,
    *,
    redefine: bool = False,
) -> Step:
    """Write down what the steps are about to make, so that `down` finds it whatever happens.

    :param armed: machines that lose their HCK flags (False), and such as are only noted so: a `hck disarm` was killed.
    :param redefine: whether machines that are there are made as new ones would be.
    """
    disarmed = {name for name, on in (armed or {}).items() if not on}
    paths = LabPaths(lab.state_dir, lab.name)
    made = {thing.key: thing for thing in state.journal.things}
    for thing in (thing for step in steps for thing in step.makes):
        made[thing.key] = merged(made.get(thing.key), thing)
    begun = {step.scope for step in steps if any(thing.kind in ("process", "domain") for thing in step.makes)}
    begun |= {name for name, on in (armed or {}).items() if on}
    specs = {name: spec_as_noted(lab.machines[name]) for name in sorted(begun)}
    choices = {name: resolved_view(lab, name, state, redefine=redefine).choices for name in specs}
    journal = replace(
        state.journal,
        file=lab.file,
        things=tuple(made.values()),
        specs={**state.journal.specs, **specs},
        disarmed=(state.journal.disarmed - begun) | (begun & disarmed),
        kvm={**state.journal.kvm, **{name: made.kvm for name, made in choices.items()}},
        made={**state.journal.made, **{name: as_noted(made) for name, made in choices.items()}},
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

"""Plans and their steps as lines for a person, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.host.plan.steps import Drift, Plan, Step


AS_ROOT = "root sees all of it, and may do it: sudo here, `user: root` or `sudo: true` of another host in the lab file"


def plan_lines(made: Plan) -> list[Text]:
    """A plan as a person reads it."""
    from rich.text import Text

    lines = [
        *(line for step in made.steps for line in _step_lines(step)),
        *(line for drift in made.drift for line in _drift_lines(drift)),
        *(Text(f"note: {note}") for note in made.notes),
    ]
    return lines if made.steps or made.drift else [Text("nothing to change"), *lines]


def step_row(step: Step) -> dict[str, object]:
    """A step as JSON has it."""
    return {"machine": step.scope, "what": step.what, "why": step.why, "diff": list(step.diff)}


def _step_lines(step: Step) -> list[Text]:
    from rich.text import Text

    return [Text.assemble((step.what, "bold"), f": {step.why}"), *diff_lines(step.diff)]


def _drift_lines(drift: Drift) -> list[Text]:
    from rich.text import Text

    what = "`up` mends that" if drift.mended else "`up` refuses until the machine has been taken down"
    head = Text.assemble((drift.what, "bold yellow"), f": {what}")
    return [head, *diff_lines(drift.diff)]


def diff_lines(diff: Sequence[str]) -> list[Text]:
    """A diff in a terminal's colours."""
    from rich.text import Text

    return [Text(f"  {line}", {"+": "green", "-": "red"}.get(line[:1], "")) for line in diff]

"""Commands that explain: explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.errors import RequestError

if TYPE_CHECKING:
    from provision.cli.output import Output
    from provision.verify.cause import Cause


@click.command(short_help="What a cause means, and how it is mended.")
@click.argument("name", required=False, metavar="[CAUSE]")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def explain(output: Output, name: str | None, *, as_json: bool) -> int:
    """What a cause that `check` names means, at which rung it is seen, and what to do; without CAUSE, a list.

    Also topics: why rscvm persists nothing of a TAP, and how it keeps a physical NIC's settings.
    """
    from provision.topics import TOPICS
    from provision.verify.rules import CATALOGUE

    causes = {cause.id: cause for cause in CATALOGUE}
    if name is not None and name not in {*causes, *TOPICS}:
        raise RequestError(f"no cause or topic {name}", hint="`rscvm explain` lists them")
    chosen = [causes[name]] if name in causes else [] if name else list(causes.values())
    topics = {topic: text for topic, text in TOPICS.items() if name in (None, topic)}
    if as_json:
        rows = [{"id": c.id, "rung": c.rung, "why": c.why, "fix": list(c.fix)} for c in chosen]
        output.json({"schema": "rscvm/explain/1", "causes": rows, "topics": topics})
        return 0
    for cause in chosen:
        _show(output, cause, whole=name is not None)
    for topic, text in topics.items():
        output.text(f"{topic}\n  {text if name else text.partition('. ')[0].partition(': ')[0]}\n")
    return 0


def _show(output: Output, cause: Cause, *, whole: bool) -> None:
    """One cause: in a list by its rung and its reason, alone with all that is known of it."""
    output.text(f"{cause.id} ({cause.rung})\n  {cause.why}\n")
    for words in cause.fix if whole else ():
        output.text(f"  fix: {words}\n")

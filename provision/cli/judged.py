"""Shows verdicts, for every command that judges NICs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.cli.output import Output
    from provision.verify.judge.verdict import NicVerdict


def judged(
    output: Output,
    verdicts: list[NicVerdict],
    *,
    as_json: bool,
    more: Mapping[str, object] | None = None,
    ladders: bool = False,
) -> int:
    """Show verdicts, alone or as part of another document, and return their exit status."""
    from provision.verify.report.document import as_json as documented
    from provision.verify.report.document import exit_status
    from provision.verify.report.text import shown

    if as_json:
        output.json({**documented(verdicts), **(more or {})})
    else:
        output.show(shown(verdicts, ladders=ladders, width=output.width))
    return exit_status(verdicts)

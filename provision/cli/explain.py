"""`rscvm explain`: what a cause, a FailureReason, a known issue or a topic means."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from provision.runtime.errors import RequestError
from provision.runtime.near_names import did_you_mean, plain
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from provision.cli.output import Output
    from provision.tables.failure_reasons import Reason
    from provision.tables.issue_conditions import KnownIssue
    from provision.verify.judge.cause import Cause


ISSUES = "issues"
"""By this name all known issues are told."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What goes by a name."""

    causes: Iterable[Cause]
    reasons: Iterable[Reason]
    issues: Iterable[KnownIssue]
    topics: Mapping[str, str]

    def __bool__(self) -> bool:
        return any((self.causes, self.reasons, self.issues, self.topics))


@click.command(short_help="What a cause or FailureReason means, how it is seen and mended.")
@click.argument(
    "name", required=False, metavar="[CAUSE]", shell_complete=lambda *given: _known_names(given[-1])
)
@click.option(
    "--script",
    "script",
    metavar="NAME",
    shell_complete=lambda *given: _script_names(given[-1]),
    help="What is run in a guest: rsc, linux, fix-rsc, fix-global, fix-keyword, fix-forwarding, fix-linux, "
    "hck-leftovers, hck-cleanup, serve, serve-end, serve-windows, serve-windows-end, work or coalesced.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def explain(output: Output, name: str | None, script: str | None, *, as_json: bool) -> int:
    """What a cause that `check` names means, how it is seen, what to do, and where that is known from.

    CAUSE may also be Windows' FailureReason, by its name or number, such as WFPCompatibility; a known issue, by its
    number, such as 1131, or all of them (`issues`); or a topic: what of a TAP lasts and how to keep it, how a physical
    NIC's settings are kept, and the run-book for HLK's RSC test (`hck`). Without CAUSE, a list.
    """
    if script is not None:
        _show_script(output, script, name, as_json=as_json)
        return 0
    found = _found(name)
    if as_json:
        output.json(_document(found))
    elif name is None:
        _list(output, found)
    else:
        _show(output, found)
    return 0


def _found(name: str | None) -> _Found:
    """What goes by a name, or everything.

    :raise RequestError: when nothing does.
    """
    from provision.tables.failure_reasons import REASONS
    from provision.tables.known_issues import KNOWN_ISSUES
    from provision.tables.topics import TOPICS, told
    from provision.verify.judge.causes.catalogue import CATALOGUE

    if name is None:
        return _Found(CATALOGUE, REASONS, KNOWN_ISSUES, TOPICS)
    wanted = plain(name)
    reasons = [reason for reason in REASONS if wanted in _names(reason)]
    ids = {wanted, *(plain(reason.cause) for reason in reasons)}
    found = _Found(
        [cause for cause in CATALOGUE if plain(cause.id) in ids],
        reasons,
        [issue for issue in KNOWN_ISSUES if wanted in map(plain, (ISSUES, issue.id, *issue.also))],
        {topic: told(topic) for topic in TOPICS if plain(topic) == wanted},
    )
    if not found:
        known = [*(each.id for each in CATALOGUE), *(each.name for each in REASONS)]
        raise _nothing(name, [*known, ISSUES, *(each.id for each in KNOWN_ISSUES), *TOPICS])
    return found


def _script_names(begun: str) -> list[str]:
    from provision.render.guest_scripts import GUEST_SCRIPTS

    return [name for name in GUEST_SCRIPTS if name.startswith(begun)]


def _known_names(begun: str) -> list[str]:
    """All that can be asked about, as far as it begins so."""
    found = _found(None)
    causes, reasons = [each.id for each in found.causes], [each.name for each in found.reasons]
    issues = [ISSUES, *(each.id for each in found.issues)]
    return [name for name in (*causes, *reasons, *issues, *found.topics) if name.startswith(begun)]


def _show_script(output: Output, script: str, name: str | None, *, as_json: bool) -> None:
    """A script as it is run, and nothing else, so that it can be piped into a shell; as JSON with how it is handed over."""
    from provision.render.guest_scripts import GUEST_SCRIPTS
    from provision.runtime.guest_words import as_run

    if name is not None:
        raise RequestError("--script NAME and CAUSE are two questions", hint="ask one of them")
    if script not in GUEST_SCRIPTS:
        raise RequestError(f"no script {short(script, 60)}", hint=f"there are {', '.join(GUEST_SCRIPTS)}")
    row = GUEST_SCRIPTS[script]
    run = row.example()
    if as_json:
        told = {
            "name": script,
            "does": row.does,
            "shell": run.shell,
            "argv": list(as_run(run).argv),
            "text": run.text,
        }
        output.json({"schema": "rscvm/explain/1", "script": told})
    else:
        output.text(run.text)


def _names(reason: Reason) -> set[str]:
    """Everything that a reason goes by."""
    code = {str(reason.code)} if reason.code is not None else set()
    return {plain(reason.name), *({plain(reason.cause)} if reason.cause else ()), *code}


def _nothing(name: str, known: Iterable[str]) -> RequestError:
    return RequestError(
        f"no cause, FailureReason, known issue or topic {short(name, 60)}",
        hint=f"{did_you_mean(name, known)}`rscvm explain` lists them",
    )


def _document(found: _Found) -> dict[str, object]:
    rows = [
        {
            "id": c.id,
            "rung": c.rung,
            "why": c.why,
            "seen": c.seen,
            "fix": [*map(str, c.fix)],
            "source": c.source,
        }
        for c in found.causes
    ]
    return {
        "schema": "rscvm/explain/1",
        "causes": rows,
        "reasons": [{**asdict(reason), "fix": _fixes(reason)} for reason in found.reasons],
        "issues": [
            {name: getattr(issue, name) for name in ("id", "title", *_TOLD, "read")} for issue in found.issues
        ],
        "topics": dict(found.topics),
    }


_TOLD = {
    "applies": "applies to",
    "symptom": "symptom",
    "workaround": "workaround",
    "lasts": "lasts",
    "until": "mended by",
    "source": "source",
}
"""What is told of a known issue, and under which name; by what it is found is the program's own."""


def _list(output: Output, found: _Found) -> None:
    """Everything by its name and reason, rung by rung as the ladder has them."""
    from provision.verify.judge.ladder import ORDER

    for rung in ORDER:
        own = [(cause.id, cause.why) for cause in found.causes if cause.rung == rung]
        own += [(f"{r.name}, by Windows", r.meaning) for r in found.reasons if r.rung == rung and not r.cause]
        if own:
            output.prose(f"{rung}\n")
        for name, words in own:
            output.prose(f"  {name}\n    {words}\n")
    output.prose(f"{ISSUES}\n")
    for issue in found.issues:
        output.prose(f"  {issue.id}\n    {issue.title}\n")
    output.prose("topics\n")
    for topic, text in found.topics.items():
        output.prose(f"  {topic}\n    {text.partition('. ')[0].partition(': ')[0]}\n")


def _show(output: Output, found: _Found) -> None:
    """All that is known of what goes by one name."""
    by_cause = {reason.cause: reason for reason in found.reasons if reason.cause}
    for cause in found.causes:
        reason = f" Windows' FailureReason {_numbered(by_cause[cause.id])}." if cause.id in by_cause else ""
        output.prose(f"{cause.id} ({cause.rung})\n  {cause.why}{reason}\n")
        _rest(output, cause.seen, map(str, cause.fix), cause.source)
    for each in found.reasons:
        if not each.cause:
            output.prose(f"{_numbered(each)} ({each.rung})\n  Windows' FailureReason. {each.meaning}\n")
            _rest(output, each.seen, _fixes(each), each.source)
    for issue in found.issues:
        _issue(output, issue)
    for topic, text in found.topics.items():
        output.document(f"{topic}\n\n{text}\n")


def _numbered(reason: Reason) -> str:
    """A reason by its name and number."""
    return f"{reason.name}, {'of no documented number' if reason.code is None else f'number {reason.code}'}"


def _issue(output: Output, issue: KnownIssue) -> None:
    output.prose(f"{issue.id} (known issue, as of {issue.read})\n  {issue.title}\n")
    for name, shown in _TOLD.items():
        output.prose(f"  {shown}: {getattr(issue, name)}\n")


def _fixes(reason: Reason) -> list[str]:
    from provision.verify.judge.cause import Fix

    return [str(Fix(words)) for words in reason.fix]


def _rest(output: Output, seen: str, fix: Iterable[str], source: str) -> None:
    output.prose(f"  seen: {seen}\n")
    for words in fix:
        output.prose(f"  fix: {words}\n")
    output.prose(f"  source: {source}\n")

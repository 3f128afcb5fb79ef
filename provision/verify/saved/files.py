"""Evidence as files: an index, and each raw answer in a file that a person can read. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provision.facts.guest_answer import masked_answer
from provision.facts.masked_processes import masked_processes
from provision.host.read.processes import is_of_processes
from provision.runtime.command import Result
from provision.runtime.errors import RequestError
from provision.runtime.masked import masked_json, masked_output, masked_text, masked_xml
from provision.runtime.protocols import Domain
from provision.runtime.untrusted import read_json
from provision.verify.saved.filenames import Files, command_name
from provision.verify.saved.kept_lab import MOST_HOSTS, first_fault
from provision.verify.saved.rows import Ask, Failure, Question, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

INDEX = "index.json"
_MOST_VALUES = 300_000
"""Of an index; a machine has about 20."""
_MOST_LINES = 100_000
"""Of what one monitor was asked; 232 NICs are 3,000."""
SCHEMA = "rscvm/evidence/1"
_SWITCHES = ("autostart", "saved")
_BESIDES = [each.name for each in fields(Domain)][4:]
_PATH = re.compile(r"(?:[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]{0,99}/){0,5}[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]{0,99}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Request(_Model):
    """What `check` was asked, so that the same can be asked of the evidence."""

    lab: dict[str, Any] | None = None
    """The lab file, as `saved_lab` puts it."""
    connect: str = ""
    """libvirt's URI."""
    qmp: str = ""
    """Path of a QEMU's monitor socket."""
    host: str = "local"
    """The name under which the host was asked, where there is no lab file."""
    hosts: tuple[str, ...] = Field(default=(), max_length=MOST_HOSTS)
    """The names of the hosts whose QEMUs were all asked."""
    names: tuple[str, ...] = ()
    """Machines or domains; none stands for all."""
    monitor: bool = True
    observe: float = 0
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """What `check --save` keeps."""

    rscvm: str
    """The version that saved it."""
    when: str
    request: Request
    tools: Mapping[str, Mapping[str, str]]
    """Versions by host and tool."""
    rows: tuple[Row, ...]


class _Failure(_Model):
    kind: str
    message: str
    hint: str = ""
    refused: str = ""


class _DomainFile(_Model):
    name: str
    state: str
    live: str
    persistent: str = ""
    more: dict[str, str | bool] = {}
    """What else a `Domain` has, by its fields' names."""


class _Answer(_Model):
    host: str
    ask: Ask
    words: tuple[str, ...] = ()
    text: str = ""
    status: int | None = None
    out: str = ""
    """A file's path, as every one below."""
    err: str = ""
    domains: Annotated[tuple[_DomainFile, ...], Field(fail_fast=True)] | None = None
    lines: str = ""
    """All that a monitor was asked, one JSON object a line."""
    value: Any = None
    failure: _Failure | None = None


class _Index(_Model):
    rscvm: str
    when: str
    request: Request
    tools: dict[str, dict[str, str]] = {}
    answers: Annotated[tuple[_Answer, ...], Field(fail_fast=True)]


def as_files(saved: Saved) -> dict[str, bytes]:
    """Everything by its path, the index last; what may be a secret is masked, and nothing else of an answer."""
    files = Files(INDEX)
    answers = tuple(_answers(saved.rows, files))
    index = _Index(
        rscvm=saved.rscvm,
        when=saved.when,
        request=saved.request,
        tools={host: dict(tools) for host, tools in saved.tools.items()},
        answers=answers,
    )
    document = {"schema": SCHEMA, **index.model_dump(exclude_defaults=True)}
    return {**files.bytes, INDEX: json.dumps(document, indent=1).encode() + b"\n"}


def _answers(rows: Sequence[Row], files: Files) -> Iterator[_Answer]:
    lines: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for row in rows:
        asked = row.question
        if asked.ask == "qmp":
            lines.setdefault((asked.host, asked.words[:2]), []).append(_line(row))
        else:
            yield _answer(row, files)
    for (host, place), said in lines.items():
        folder = files.folder(files.folder(files.folder("", host), f"{place[0]}s"), place[1])
        path = files.keep(folder, "qmp", ".jsonl", "".join(f"{line}\n" for line in said))
        yield _Answer(host=host, ask="qmp", words=place, lines=path)


def _line(row: Row) -> str:
    said: dict[str, object] = {
        "execute": row.question.words[2],
        "arguments": read_json(row.question.text or "{}"),
    }
    outcome = (
        {"return": masked_json(row.answer)} if row.failure is None else {"failure": _failure(row.failure)}
    )
    return json.dumps({**said, **outcome})


def _failure(failure: Failure) -> dict[str, str]:
    return {name: masked_text(text) for name, text in asdict(failure).items()}


def _answer(row: Row, files: Files) -> _Answer:
    asked, told = row.question, row.answer
    common: dict[str, Any] = {"host": asked.host, "ask": asked.ask, "words": asked.words, "text": asked.text}
    folder = files.folder("", asked.host)
    if row.failure is not None:
        return _Answer(**common, failure=_Failure(**_failure(row.failure)))
    if isinstance(told, Result):
        name, ending = command_name(asked.words)
        out = files.keep(folder, name, ending, _masking(asked)(told.out))
        err = files.keep(folder, name, ".stderr", masked_text(told.err)) if told.err else ""
        return _Answer(**common, status=told.status, out=out, err=err)
    if isinstance(told, tuple):
        return _Answer(**common, domains=tuple(_domain_file(d, folder, files) for d in told))
    return _Answer(**common, value=told)


def _masking(asked: Question) -> Callable[[str], str]:
    if asked.ask == "script":
        return masked_answer
    return masked_processes if is_of_processes(asked.words) else masked_output


def _domain_file(domain: Domain, host: str, files: Files) -> _DomainFile:
    folder = files.folder(files.folder(host, "domains"), domain.name)
    return _DomainFile(
        name=domain.name,
        state=domain.state,
        live=files.keep(folder, "live", ".xml", masked_xml(domain.live_xml)),
        persistent=files.keep(folder, "persistent", ".xml", masked_xml(domain.persistent_xml))
        if domain.persistent_xml
        else "",
        more={
            name: masked_text(said) if isinstance(said, str) else said
            for name in _BESIDES
            if (said := getattr(domain, name))
        },
    )


def parse_saved(index: bytes, read: Callable[[str], bytes]) -> Saved:
    """Evidence that anybody may have written: its index, and what reads the other files by their paths.

    :raise RequestError: when it is no evidence, or not of a form that this version reads.
    """
    found = _parse_index(index)
    try:
        rows = tuple(row for answer in found.answers for row in _rows(answer, read))
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise RequestError(f"the evidence cannot be read: {first_fault(error)}") from error
    return Saved(found.rscvm, found.when, found.request, found.tools, rows)


def _parse_index(index: bytes) -> _Index:
    try:
        document = read_json(index, _MOST_VALUES)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{INDEX} is no JSON: {first_fault(error)}") from error
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema != SCHEMA:
        of = document.get("rscvm") if isinstance(document, dict) else None
        raise RequestError(
            f"{INDEX} is not of the form {SCHEMA}, but {str(schema)[:100]!r}",
            hint=f"it was saved by rscvm {str(of)[:100]}" if of else "",
        )
    try:
        return _Index.model_validate(document)
    except (ValidationError, RecursionError) as error:
        raise RequestError(f"{INDEX} cannot be read: {first_fault(error)}") from error


def _rows(answer: _Answer, read: Callable[[str], bytes]) -> Iterator[Row]:
    def text(path: str) -> str:
        if not _PATH.fullmatch(path):
            raise ValueError(f"no path inside the evidence: {path[:100]!r}")
        data = read(path)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    question = Question(answer.host, answer.ask, answer.words, answer.text)
    if answer.failure is not None:
        yield Row(question, failure=Failure(**answer.failure.model_dump()))
    elif answer.lines:
        yield from _monitor_rows(answer, text(answer.lines))
    elif answer.domains is not None:
        yield Row(question, tuple(_domain(each, text) for each in answer.domains))
    elif answer.status is not None:
        err = text(answer.err) if answer.err else ""
        yield Row(question, Result(answer.host, answer.words, answer.status, text(answer.out), err))
    else:
        yield Row(question, answer.value)


def _domain(file: _DomainFile, text: Callable[[str], str]) -> Domain:
    persistent = text(file.persistent) if file.persistent else ""
    more: dict[str, Any] = dict(file.more)
    if any(
        name not in _BESIDES or isinstance(value, bool) != (name in _SWITCHES) for name, value in more.items()
    ):
        raise ValueError(f"a domain has no {', '.join(more)} of these kinds")
    return Domain(file.name, file.state, text(file.live), persistent, **more)


def _monitor_rows(answer: _Answer, text: str) -> Iterator[Row]:
    if text.count("\n") > _MOST_LINES:
        raise ValueError(f"a monitor was asked more than {_MOST_LINES} times")
    for line in filter(None, text.split("\n")):
        said = read_json(line)
        words = (*answer.words, str(said["execute"]))
        arguments = json.dumps(said.get("arguments", {}), sort_keys=True)
        question = Question(answer.host, "qmp", words, arguments)
        failure = said.get("failure")
        if failure is None:
            yield Row(question, said["return"])
        else:
            kept = _Failure.model_validate(failure)
            yield Row(question, failure=Failure(**kept.model_dump()))

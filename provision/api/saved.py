"""`check --save` and `check --from`: evidence to a directory, and verdicts from one or from pasted text."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, TextIO

from provision.runtime.errors import RequestError, RscvmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from provision.lab.spec import Lab
    from provision.runtime.parallel import Outcome
    from provision.runtime.protocols import ReadingEdges
    from provision.verbs.check import Look
    from provision.verify.judge.verdict import NicVerdict
    from provision.verify.saved.files import Request
    from provision.verify.saved.record import Recorder

    Tools = dict[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Keep:
    """Where the evidence of a check goes, if anywhere, and how it looks."""

    directory: str | None
    look: Look
    tools: Tools | None = None
    """Where the versions of what answered go, by host and tool; None where nobody wants them."""

    def of_domains(
        self, edges: ReadingEdges, host: str, uri: str, names: Sequence[str]
    ) -> AbstractContextManager[ReadingEdges]:
        """The edges of a check of domains, kept for the block."""
        return self._kept(edges, host=host, connect=uri.partition("?")[0], names=tuple(names))

    def of_qemu(self, edges: ReadingEdges, host: str, socket: str) -> AbstractContextManager[ReadingEdges]:
        """The edges of a check of one QEMU, kept for the block."""
        return self._kept(edges, host=host, qmp=socket)

    def of_hosts(self, edges: ReadingEdges, hosts: Sequence[str]) -> AbstractContextManager[ReadingEdges]:
        """The edges of a check of all that runs on hosts, kept for the block."""
        return self._kept(edges, hosts=tuple(hosts))

    def of_lab(
        self, edges: ReadingEdges, lab: Lab, names: Sequence[str]
    ) -> AbstractContextManager[ReadingEdges]:
        """The edges of a check of a lab file's machines, kept for the block."""
        if self.directory is None and self.tools is None:
            return nullcontext(edges)
        from provision.verify.saved.kept_lab import saved_lab

        return self._kept(edges, lab=saved_lab(lab), names=tuple(names))

    def _kept(self, edges: ReadingEdges, **asked: Any) -> AbstractContextManager[ReadingEdges]:
        if self.directory is None and self.tools is None:
            return nullcontext(edges)
        from provision.verify.saved.files import Request

        request = Request(
            **asked, monitor=self.look.monitor, observe=self.look.observe, guest=self.look.guest
        )
        return recorded(edges, self.directory, request, self.tools)


@contextmanager
def recorded(
    edges: ReadingEdges, directory: str | None, request: Request, tools: Tools | None = None
) -> Iterator[ReadingEdges]:
    """The edges for the block; everything that they answer is kept, and written to the directory at its end, if any.

    Also what could be asked before an error is written; of what was interrupted, nothing. The versions of what
    answered are among `tools` then.

    :raise RequestError: when the directory will not do; nothing has been asked then.
    """
    from provision.edges.files.evidence_folder import claim
    from provision.verify.saved.record import Recorder

    if directory == "":
        raise RequestError("--save: into which directory?")
    if directory is not None:
        claim(directory)
    recorder = Recorder(edges)
    try:
        yield recorder
    except RscvmError:
        _write(recorder, edges, directory, request)
        raise
    told = _write(recorder, edges, directory, request)
    if tools is not None:
        tools.update(told)


def _write(
    recorder: Recorder, edges: ReadingEdges, directory: str | None, request: Request
) -> Mapping[str, Mapping[str, str]]:
    """Write what was kept, if anywhere, and return the versions of what answered."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    from provision.edges.files.evidence_folder import write_evidence
    from provision.verify.saved.files import Saved, as_files
    from provision.verify.saved.replay import tool_versions

    rows = recorder.rows
    when = datetime.now(UTC).isoformat(timespec="seconds")
    tools = tool_versions(edges, rows)
    if directory is not None:
        write_evidence(directory, as_files(Saved(version("rscvm"), when, request, tools, rows)))
    return tools


def judged_from(
    path: str, stdin: TextIO | None, tools: Tools | None = None
) -> list[Outcome[list[NicVerdict]]]:
    """The verdicts on evidence in a directory, or on pasted output in a file, a directory, or standard input (`-`).

    The versions that evidence has are among `tools` then.

    :raise RequestError: when there is nothing of the kind.
    """
    from provision.edges.files.evidence_folder import EvidenceDirectory, is_evidence
    from provision.edges.files.pasted_files import read_pasted
    from provision.runtime.parallel import Outcome
    from provision.verbs.rejudge import judge_saved
    from provision.verify.collect.pasted import pasted
    from provision.verify.judge.verdict import judge_nic
    from provision.verify.saved.files import parse_saved

    if is_evidence(path):
        directory = EvidenceDirectory(path)
        saved = parse_saved(directory.index(), directory.read)
        if tools is not None:
            tools.update(saved.tools)
        return judge_saved(saved)
    if not path:
        raise RequestError("--from: which file or directory?")
    if path == "-" and (stdin is None or stdin.isatty()):
        raise RequestError("--from -: nothing is piped in", hint="`ethtool -k TAP | rscvm check --from -`")
    verdicts = [judge_nic(nic) for nic in pasted(read_pasted(path, stdin.buffer if stdin else BytesIO()))]
    return [Outcome("pasted", verdicts)]

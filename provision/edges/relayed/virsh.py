"""Reads a host's libvirt by its own `virsh`, for which nothing is opened to it from here; changes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from provision.edges.relayed.batch import JoinedBatches
from provision.edges.relayed.virsh_monitor import SECONDS, VirshMonitor
from provision.runtime.command import NOT_FOUND, Run
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.protocols import Domain, Network
from provision.runtime.safe_text import quoted
from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxml.etree import _Element

    from provision.runtime.command import Result
    from provision.runtime.protocols import Runner

_MOST_HANGING = 12
"""Monitors that we leave hanging: libvirtd has 20 workers (max_workers), and others want some, too."""
_ASKED = ("env", "LC_ALL=C.UTF-8", "timeout", str(SECONDS), "virsh", "--quiet", "--connect")
_MOST_DOMAINS = 5_000
_AT_ONCE = 50
"""Domains whose XML is asked for in one batch: of 30 KB each, twice, 3 MB."""
_LONGEST_XML = 4 << 20
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORDS = 300
_LISTS = {
    "running": ("--state-running",),
    "paused": ("--state-paused",),
    "off": ("--state-shutoff",),
    "every": ("--all",),
    "transient": ("--all", "--transient"),
    "saved": ("--all", "--with-managed-save"),
    "autostart": ("--all", "--autostart"),
}
"""The lists of domains that tell one thing each of all of them."""


class _OnlyAsked:
    """What a libvirt is told elsewhere; here nothing is changed."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise HostError(
            "a libvirt that is reached by virsh is only asked", hint="use `rscvm` itself to change it"
        )

    define = undefine = start = definition = shutdown = destroy = autostart = _refuse


class VirshLibvirt(_OnlyAsked):
    """A libvirt daemon that is only asked, by a program on its host."""

    def __init__(self, host: Runner, uri: str) -> None:
        self._host, self._uri = JoinedBatches(host), uri
        self._hanging = 0
        self._by_name: dict[str, str] = {}
        """UUIDs, by which virsh finds also a domain whose name is a number."""

    def _run(self, *words: str) -> Run:
        return Run((*_ASKED, self._uri, *words))

    def _ask(self, asked: Sequence[Run]) -> list[Result]:
        """The answers to questions of one batch.

        :raise HostError: when there is no virsh, or libvirt does not answer.
        """
        return self._host.ask(asked, SECONDS)

    def _said(self, *words: str) -> str:
        [answer] = self._ask([self._run(*words)])
        return self._out(answer)

    def _out(self, answer: Result) -> str:
        """What an answer says.

        :raise HostError: when it is none.
        """
        if answer.status == NOT_FOUND:
            raise HostError(
                f"virsh not found on {self._host.name}", hint="install it (Debian: libvirt-clients)"
            )
        if not answer.ok:
            raise HostError(
                f"libvirt ({self._uri}) on {self._host.name} does not answer: {_why(answer)}",
                hint="is libvirtd running there, and may this user use it? (group libvirt, or become)",
            )
        return answer.out

    def domain(self, name: str) -> Domain | None:
        """The domain, or None where there is none of that name.

        :raise HostError: when libvirt does not answer.
        """
        return next(iter(self.domains([name])), None)

    def domains(self, names: Sequence[str]) -> list[Domain]:
        """The domains of these names, or all, as they are now; definitions come with those that run.

        :raise HostError: when libvirt does not answer.
        """
        answers = self._ask([self._run("list", "--uuid", *words) for words in _LISTS.values()])
        lists = {key: _uuids(self._out(answer)) for key, answer in zip(_LISTS, answers, strict=True)}
        wanted = list(lists["every"])
        found: list[Domain] = []
        for start in range(0, min(len(wanted), _MOST_DOMAINS), _AT_ONCE):
            found += self._described(wanted[start : start + _AT_ONCE], lists)
        if len(wanted) > _MOST_DOMAINS:
            trouble = f"libvirt tells of {len(wanted)} domains, and {_MOST_DOMAINS} are read: name those that you want"
            found.append(Domain(f"{len(wanted) - _MOST_DOMAINS} more", "running", "", "", trouble=trouble))
        return [domain for domain in found if not names or domain.name in names]

    def _described(self, uuids: Sequence[str], lists: Mapping[str, Mapping[str, None]]) -> Iterator[Domain]:
        """Domains with their XML; one that has gone meanwhile is left out."""
        runs = [self._run("dumpxml", *more, uuid) for uuid in uuids for more in ((), ("--inactive",))]
        *answers, later = self._ask([*runs, self._run("list", "--uuid", *_LISTS["every"])])
        there = _uuids(self._out(later))
        for index, uuid in enumerate(uuids):
            live, kept = answers[2 * index : 2 * index + 2]
            state = next((state for state in ("running", "paused", "off") if uuid in lists[state]), "running")
            if not live.ok and uuid not in there:
                continue
            if not live.ok:
                why = f"libvirt did not tell its XML: {_why(live)}"
                yield Domain(uuid, state, "", "", trouble=why)
                continue
            yield self._domain(uuid, state, live.out, kept.out if kept.ok else "", lists)

    def _domain(
        self, uuid: str, state: str, live: str, kept: str, lists: Mapping[str, Mapping[str, None]]
    ) -> Domain:
        if max(len(live), len(kept)) > _LONGEST_XML:
            return Domain(uuid, state, "", "", trouble=f"its XML has more than {_LONGEST_XML} characters")
        try:
            root = read_xml(live)
        except ValueError:
            return Domain(uuid, state, "", "", trouble="libvirt told what is no XML")
        name = root.findtext("name", "") or uuid
        self._by_name[name] = uuid
        return Domain(
            name=name,
            state=state,
            live_xml=live,
            persistent_xml="" if uuid in lists["transient"] or state == "off" else kept,
            run=str(root.get("id", "")),
            autostart=uuid in lists["autostart"],
            saved=state == "off" and uuid in lists["saved"],
        )

    def runs(self) -> Mapping[str, str]:
        """Which run each domain is in that runs.

        :raise HostError: when libvirt does not answer.
        """
        rows = (row.split(None, 1) for row in self._said("list").splitlines() if row.strip())
        states = re.compile(r"(.*?)\s+(?:running|idle|paused|in shutdown|pmsuspended|crashed|no state)\s*")
        named = ((number, states.fullmatch(rest)) for number, rest in (row for row in rows if len(row) == 2))
        return {match[1]: number for number, match in named if match}

    def emulator(self, kind: str, machine: str) -> str:
        """Path of the QEMU that would run a domain of type `kvm` or `qemu`.

        :raise HostError: when libvirt has none.
        """
        text = self._able(kind, machine)
        path = str(_xml(text, "libvirt's domain capabilities").findtext("path", ""))
        if not path.startswith("/") or not path.isprintable():
            raise UnreadableError("the path of QEMU in libvirt's domain capabilities", path)
        return path

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
        """The XML of what libvirt can do: with domains of type `kvm` or `qemu`, and of the host.

        :raise HostError: when it has nothing that would run such domains.
        """
        return self._able(kind, machine), self._said("capabilities")

    def _able(self, kind: str, machine: str) -> str:
        return self._said("domcapabilities", "--arch", "x86_64", "--machine", machine, "--virttype", kind)

    def network(self, name: str) -> Network | None:
        """The virtual network, or None where there is none of that name.

        :raise HostError: when libvirt does not answer.
        """
        if name not in self._said("net-list", "--all", "--name").splitlines():
            return None
        active = name in self._said("net-list", "--name").splitlines()
        return Network(active, self._said("net-dumpxml", name))

    def version(self) -> str:
        """The daemon's version, as `9.0.0`."""
        said = self._said("version", "--daemon")
        found = re.search(r"daemon: ([0-9.]+)", said)
        if found is None:
            raise UnreadableError("`virsh version --daemon`", said)
        return found[1]

    def monitor(self, name: str) -> VirshMonitor:
        """The domain's QMP; libvirt marks the domain as tainted by its use.

        :raise HostError: when too many hang.
        """
        if self._hanging >= _MOST_HANGING:
            raise HostError(
                f"{name}'s monitor was not asked: {self._hanging} others hang, and each keeps one of libvirtd's workers"
            )
        asked = self._run("qemu-monitor-command", "--domain", self._by_name.get(name, name))
        return VirshMonitor(self._ask, asked, name, self._left_hanging)

    def _left_hanging(self) -> None:
        self._hanging += 1


def _why(answer: Result) -> str:
    return quoted(answer.err)[:_WORDS] or f"nothing within {SECONDS} s"


def _uuids(text: str) -> dict[str, None]:
    """The UUIDs of a list, in its order, each once."""
    return dict.fromkeys(line.strip() for line in text.splitlines() if _UUID.fullmatch(line.strip()))


def _xml(text: str, what: str) -> _Element:
    try:
        return read_xml(text)
    except ValueError as error:
        raise UnreadableError(what, text) from error

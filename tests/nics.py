"""A host's physical NICs as plain data, read through the parsers out of captured answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from provision.facts.ip import Link
from provision.host.read.nics import NicQuestions
from provision.host.state import Access, HostState
from provision.runtime.command import Result, Run
from provision.runtime.questions import ask
from tests.builders import FIXTURES, lab_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from provision.lab.spec import Lab

CAPTURED = FIXTURES / "ethtool-6.1"
MAC = "52:54:00:12:34:56"

# Composed: no NetworkManager here. The rows and words of `nmcli -t -f … device show` are those of nmcli(1) and
# nm-settings(5), version 1.42.
UUID = "8f6a0e0c-3a4e-4d0c-9d1e-0a1b2c3d4e5f"
NM_OWNS = f"GENERAL.CON-UUID:{UUID}\nGENERAL.STATE:100 (connected)\nGENERAL.NM-MANAGED:yes\n"
NM_EXTERNALLY = NM_OWNS.replace("(connected)", "(connected (externally))")
NM_LEAVES = "GENERAL.CON-UUID:\nGENERAL.STATE:10 (unmanaged)\nGENERAL.NM-MANAGED:no\n"


def lab_with(settings: str, device: str = "eth0") -> Lab:
    """A lab file whose host has one NIC with these settings."""
    return lab_of(f"version: 1\nhosts: {{hv: {{address: hv, nics: {{{device}: {settings}}}}}}}\n")


def captured_features(**changes: Any) -> str:
    """The e1000e's features; `_` stands for `-`, and a change is merged into the feature's three words, or drops it."""
    [row] = json.loads((CAPTURED / "features-e1000e.json").read_text())
    for name, change in changes.items():
        key = name.replace("_", "-")
        if change is None:
            del row[key]
        else:
            row[key] |= change
    return json.dumps([row])


def captured_coalesce(**changes: object) -> str:
    """The e1000e's coalescing, with other numbers in it."""
    lines = (CAPTURED / "coalesce-e1000e.txt").read_text().split("\n")
    for name, value in changes.items():
        key = name.replace("_", "-")
        lines = [f"{key}: {value}" if line.startswith(f"{key}: ") else line for line in lines]
    return "\n".join(lines)


def composed_coalesce(*replaced: tuple[str, str]) -> str:
    """A NIC with adaptive coalescing, composed (tests/fixtures/README.md)."""
    text = (FIXTURES / "composed" / "coalesce-adaptive-6.1.txt").read_text().replace("eno1", "eth0")
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Answers:
    """What a host answers of its one NIC, by what was asked; the e1000e's unless said otherwise."""

    features: str | Result = field(default_factory=captured_features)
    coalesce: str | Result = field(default_factory=captured_coalesce)
    coalesce_json: str | Result = ""
    permanent: str = f"Permanent address: {MAC}\n"
    link: str | Result = ""
    naming: str = ""
    owner: str = f"{NM_LEAVES}252\n"

    name = "hv"

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False  # noqa: ARG002
    ) -> list[Result]:  # fmt: skip
        return [self.to(run) for run in runs]

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        return self.to(Run(tuple(argv), stdin))

    def hold(self, argv: Sequence[str]) -> AbstractContextManager[Result]:
        raise AssertionError(argv)

    def to(self, run: Run) -> Result:
        """The answer to one question."""
        match run.argv:
            case ("ethtool", "--json", "-k", _):
                said = self.features
            case ("ethtool", "-c", _):
                said = self.coalesce
            case ("ethtool", "--json", "-c", _):
                said = self.coalesce_json or failed((CAPTURED / "coalesce-json-refused.txt").read_text())
            case ("ethtool", "-P", _):
                said = self.permanent
            case ("sh", "-c", script, *_):
                said = self.owner if "nmcli" in script else self.naming if "udevadm" in script else self.link
            case argv:
                raise AssertionError(argv)
        return (
            replace(said, argv=run.argv) if isinstance(said, Result) else Result("hv", run.argv, 0, said, "")
        )


def failed(err: str, status: int = 1) -> Result:
    """An answer that came to nothing."""
    return Result("hv", (), status, "", err)


def found(lab: Lab, **answers: Any) -> HostState:
    """The host, read through the parsers."""
    said = Answers(**answers)
    about = NicQuestions(lab, "hv")
    nics = about.nics(ask(said, about.questions))
    links = {name: Link(name, "", "", up=True, mtu=1500, master="") for name in nics}
    access = Access(root=True, writable=True)
    return HostState("hv", links=links, nics=nics, boot="boot-1", access=access)

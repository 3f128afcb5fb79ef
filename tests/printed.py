"""What Windows says of adapters, in the forms that PowerShell prints and people paste; all of it composed."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from provision.facts.pasted_windows import parse_windows
from provision.verify.judge.verdict import NicVerdict
from tests.builders import FIXTURES
from tests.pastes import verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAMED = ("NoFailure", "NicPropertyDisabled", "WFPCompatibility", "NDISCompatibility", "ForwardingEnabled", "NetOffloadGlobalDisabled")  # fmt: skip
REASONS = (*NAMED, "Capability", "Unknown")
NETKVM = "Red Hat VirtIO Ethernet Adapter"
SAVED = FIXTURES / "pasted-windows"


def saved(name: str) -> str:
    return (SAVED / f"{name}.txt").read_text()


def causes(text: str) -> list[tuple[str, str, str]]:
    """Each NIC's name, verdict and cause."""
    return [
        (each.evidence.nic, each.verdict, each.finding.cause.id if each.finding.cause else "")
        for each in verdicts(text)
    ]


def rungs(verdict: NicVerdict) -> dict[str, str]:
    return {rung.name: f"{rung.states['ipv4']} {rung.states['ipv6']}" for rung in verdict.ladder}


def only(text: str) -> NicVerdict:
    [verdict] = verdicts(text)
    return verdict


@dataclass(frozen=True)
class Rsc:
    """What Get-NetAdapterRsc says of one adapter."""

    name: str
    enabled: tuple[bool | None, bool | None] = (True, True)
    operational: tuple[bool | None, bool | None] = (True, True)
    reasons: tuple[str, str] = ("NoFailure", "NoFailure")

    @property
    def cells(self) -> list[str]:
        return [self.name, *map(str, (*self.enabled, *self.operational)), *self.reasons]


COLUMNS = ("Name", "IPv4Enabled", "IPv6Enabled", "IPv4OperationalState", "IPv6OperationalState", "IPv4FailureReason", "IPv6FailureReason")  # fmt: skip


def read(text: str) -> list[Rsc]:
    """What is read out of a text again."""
    found = []
    for each in parse_windows(text).adapters:
        v4, v6 = (each.adapter.rsc[family] for family in ("ipv4", "ipv6"))
        told = (v4.enabled, v6.enabled), (v4.operational, v6.operational)
        found.append(Rsc(each.adapter.name, *told, (v4.reason, v6.reason)))
    return found


def columns_of(text: str) -> int:
    """How many columns of a terminal it takes."""
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)


def padded(text: str, width: int) -> str:
    """The text as a table has it in so many columns: filled up, or cut off."""
    if columns_of(text) > width:
        text = f"{text[: width - 3]}..."
    return text + " " * (width - columns_of(text))


def wrapped(text: str, width: int) -> list[str]:
    """The text in pieces of so many letters."""
    return [text[at : at + width] for at in range(0, len(text), width)] or [""]


def table(adapters: Sequence[Rsc], widths: Sequence[int], *, wrap: bool = False) -> str:
    """A table of such columns; what is longer is cut off, or goes on below."""
    heads = [wrapped(name, width) for name, width in zip(COLUMNS, widths, strict=True)]
    lines = [[(*head, *[""] * 30)[at] for head in heads] for at in range(max(map(len, heads)))]
    lines.append(["-" * min(len(name), width) for name, width in zip(COLUMNS, widths, strict=True)])
    for each in adapters:
        cells = [
            wrapped(cell, width) if wrap else [cell] for cell, width in zip(each.cells, widths, strict=True)
        ]
        lines += [[(*cell, *[""] * 30)[at] for cell in cells] for at in range(max(map(len, cells)))]
    return "".join(" ".join(map(padded, line, widths)).rstrip() + "\n" for line in lines)


DEFAULT = (30, 12, 12, 15, 15, 17, 17)


def as_list(adapters: Sequence[Rsc]) -> str:
    return "\n".join(
        "".join(f"{name:<20} : {cell}\n" for name, cell in zip(COLUMNS, each.cells, strict=True))
        for each in adapters
    )


def as_json(adapters: Sequence[Rsc]) -> str:
    """ConvertTo-Json's, whose enumerations are numbers where one is documented."""
    objects = []
    for each in adapters:
        said = (each.name, *each.enabled, *each.operational, *each.reasons)
        values: dict[str, object] = dict(zip(COLUMNS, said, strict=True))
        for name in COLUMNS[5:]:
            reason = str(values[name])
            values[name] = NAMED.index(reason) if reason in NAMED else reason
        objects.append({**values, "CimClass": {"CimSuperClassName": "MSFT_NetAdapterSettingData"}})
    return json.dumps(objects[0] if len(objects) == 1 else objects, indent=4, ensure_ascii=False)


FORMS: dict[str, Callable[[Sequence[Rsc]], str]] = {
    "list": as_list,
    "json": as_json,
    "table": lambda adapters: table(adapters, DEFAULT),
    "a wide table": lambda adapters: table(adapters, (30, 11, 11, 20, 20, 24, 24)),
    "a table whose last column is cut": lambda adapters: table(adapters, (30, 12, 12, 15, 15, 24, 12)),
    "a wrapped table": lambda adapters: table(adapters, (30, 11, 11, 20, 20, 24, 12), wrap=True),
    "a table with a column of one letter": lambda adapters: table(adapters, (30, 11, 11, 20, 20, 24, 1), wrap=True),
    "rows without their names": lambda adapters: "\n".join(table(adapters, (30, 11, 11, 20, 20, 24, 24)).splitlines()[2:]),
    "all on one line": lambda adapters: "  ".join(table(adapters, (30, 12, 12, 15, 15, 24, 24)).split("\n")),
    "one blank between": lambda adapters: "\n".join(" ".join(line.split()) for line in table(adapters, (30, 12, 12, 15, 15, 24, 24)).splitlines()),
    "tabs between": lambda adapters: "\n".join("\t".join(each.cells) for each in adapters),
}  # fmt: skip

AROUND: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "a prompt": lambda text: f"PS C:\\Users\\new> Get-NetAdapterRsc\n\n{text}\n\nPS C:\\Users\\new>",
    "quoted": lambda text: "".join(f"> {line}\n" for line in text.splitlines()),
    "a log's margin": lambda text: "".join(
        f"2026-11-28 05:13:52 hv1 | {line}\n" for line in text.splitlines()
    ),
    "escapes of a page": lambda text: f"<pre><code>{html.escape(text)}</code></pre>",
    "blanks of a page": lambda text: text.replace(" ", "\xa0"),
    "Windows' line ends": lambda text: text.replace("\n", "\r\n"),
    "a line after each": lambda text: text.replace("\n", "\n\n"),
    "colours": lambda text: "".join(f"\x1b[32m{line}\x1b[0m\n" for line in text.splitlines()),
    "indented": lambda text: "".join(f"    {line}\n" for line in text.splitlines()),
    "a fence": lambda text: f"What it says:\n```\n{text}\n```\nand that is all.\n",
}

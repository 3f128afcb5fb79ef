"""Cuts a text that somebody pasted into what each call of ethtool printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.pasted_commands import DEVICE, Call, Devices, calls_in, variables_in
from provision.facts.pasted_features import Lines, Said
from provision.facts.pasted_lines import margin, said_lines
from provision.tables.device_names import DEVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TOKEN = re.compile(
    r"(?:(?P<head>Features|Offload parameters|Coalesce parameters) for (?P<device>\S{1,60}?):(?=[\s\"',]|$))"
    r"|(?P<changes>\bActual changes:)"
    r"|(?:(?<![\w./-])(?P<name>[a-z][a-z0-9_-]{1,50}):\s{1,20}(?P<word>on|off)(?![\w/-])"
    r"(?:\s{1,20}\[(?P<note>fixed|requested on|requested off|not requested)\]|(?!\s{0,20}\[)))"
)
_PROMPT = re.compile(
    r"(?:\S{1,80}@\S{1,80}(?: [^\s#$%]{1,80})?\]?[#$%]|[\w.-]{1,40}[#$]|[#$]|PS [A-Z]:[^>]{0,100}>)\s{0,4}\S"
)
_FIRST = "rx-checksumming"
"""With which ethtool begins: after other lines of one device it is another's, whose name was left out."""
_RULE = r"[=#*<>~+\-\[\](){}:\s]"
_HEAD = 2
"""Words of a line that a loop prints before a device's lines: `device tap0`."""
_BANNER = re.compile(rf"(?P<before>{_RULE}{{0,40}})(?P<device>{DEVICE}?)(?P<after>{_RULE}{{0,40}})")


@dataclass(slots=True)
class Block:
    """What one call printed, or lines of which that is not known."""

    what: str
    """`features`, `change`, `coalesce`; empty of nobody's."""
    lines: Lines
    margin: str | None = None
    """What stands before each line; None where that is not known yet."""
    text: list[str] = field(default_factory=list)
    """Of coalescing, all that was there."""
    talk: bool = False
    """Whether something else stands between the call and its lines."""
    bare: bool = False
    """Whether the last line that names a device has nothing but the name."""


@dataclass(slots=True)
class _Reader:
    blocks: list[Block] = field(default_factory=list)
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    variables: dict[str, Devices] = field(default_factory=dict)
    filed: Call | None = None
    """The file's name that stands before the lines."""
    changed: Devices = None
    """What the last `ethtool -K` was of."""

    @property
    def block(self) -> Block:
        return self.blocks[-1]

    def begin(self, what: str, devices: Devices, before: str | None = None, *, plain: bool = False) -> None:
        self.blocks.append(Block(what, Lines(devices, plain), before))

    def called(self, calls: Sequence[Call]) -> None:
        """Begin what the calls in a line print; a file's name before a further line of it begins nothing."""
        if calls and all(call.filed and call == self.filed for call in calls):
            return
        self.filed = calls[0] if calls and calls[0].filed else None
        shows = [call.devices for call in calls if call.asked == "features"]
        for call in calls:
            if call.asked == "change":
                self.changed = call.devices
                self.settings += [(device, *each) for device in call.devices or () for each in call.settings]
        known = [device for devices in shows for device in devices or ()]
        self.begin("features" if shows else "", tuple(known) if known and None not in shows else None)

    def ended(self, line: str) -> bool:
        """Whether a line ends what was printed: a fence, a prompt, a heading; not the fence right below a call."""
        if line.startswith("```"):
            return self.block.talk or bool(self.block.lines.said) or not self.block.what
        return _PROMPT.match(line) is not None

    def banner(self, line: str) -> bool:
        """Whether a line but names the device whose lines follow."""
        lines, among = self.block.lines, self.block.lines.devices or ()
        if len(among) > 1:
            named = _headed(among, line)
            lines.sections += [named] if named else []
            return bool(named)
        found = _BANNER.fullmatch(line)
        if found is None:
            return False
        device = found["device"].rstrip("-+.@")
        ruled = bool(found["before"].strip() and found["after"].strip())
        if not DEVICE_NAME.fullmatch(device):
            if ruled:
                self.begin("", None)
            return ruled
        if among:
            self.begin("features", None)
        listed = self.interrupted() and not found["before"]
        self.block.bare = not found["before"]
        self.block.lines.sections.append("" if listed else device)
        return True

    def interrupted(self) -> bool:
        """Take a bare name for no head, where it is not its lines that follow: it stood in a list, as of `brctl show`."""
        lines = self.block.lines
        listed = self.block.bare and not any(each.section == len(lines.sections) for each in lines.said[-1:])
        if listed:
            lines.sections[-1] = ""
        return listed

    def anothers(self) -> None:
        """Leave the device that is known by its name, where ethtool's first line comes after others of its."""
        lines = self.block.lines
        begun = any(each.section == len(lines.sections) for each in lines.said[-1:])
        if begun and lines.sections[-1:] not in ([], [""]):
            lines.sections.append("")
        elif begun and len(lines.devices or ()) == 1:
            self.begin("features", None, self.block.margin)

    def feature(self, said: re.Match[str], before: str, *, adopts: bool) -> None:
        """Take a feature for the block's, if what stands before it is what stands before the block's others."""
        if said["name"] == _FIRST:
            self.anothers()
        lines = self.block.lines
        if len(lines.devices or ()) > 1 and (named := _one_of(lines.devices or (), before)):
            before = before.replace(named, " ", 1)
            if lines.sections[-1:] != [named]:
                lines.sections.append(named)
        there = margin(before)
        if there and self.block.margin is None and adopts:
            self.block.margin = there
        if there in ("", self.block.margin):
            if self.block.margin is None:
                self.block.margin = there
            lines.said.append(Said(said["name"], said["word"], said["note"], len(lines.sections)))

    def read(self, line: str) -> None:
        """Take one line."""
        self.variables |= variables_in(line)
        calls = list(calls_in(line, self.variables)) if "ethtool" in line else []
        start = max((end for end, call in calls if call.asked != "other"), default=0)
        tokens = list(_TOKEN.finditer(line, start))
        if start or (
            "ethtool" in line and not tokens
        ):  # a log has it before each line, as the name of a program
            self.called([call for _, call in calls])
            start = start or len(line)
        elif self.ended(line):
            self.begin("", None)
            self.filed = None
        if not (tokens or start or line.startswith("```") or self.banner(line)):
            self.interrupted()
            self.block.talk = True
        at = start
        for token in tokens:
            before, at = line[at : token.start()], token.end()
            self.block.text.append(before)
            if token["name"]:
                self.feature(token, before, adopts=not start)
            elif token["changes"]:
                self.begin("change", self.changed, margin(before))
            else:
                what = "coalesce" if token["head"].startswith("Coal") else "features"
                self.begin(what, (token["device"],), margin(before), plain=token["head"].startswith("Off"))
        self.block.text.append(line[at:])


def _headed(devices: tuple[str, ...], line: str) -> str:
    """The device whose name ends a line, after a word at the most: what is longer is a message about it."""
    words = [word for each in re.findall(r"[\w.@+-]+", line) if (word := each.strip("-+.@"))]
    return words[-1] if 0 < len(words) <= _HEAD and words[-1] in devices else ""


def _one_of(devices: tuple[str, ...], words: str) -> str:
    """The device that words name, if they name but one of these."""
    found = {word for word in re.findall(DEVICE, words) if word in devices}
    return found.pop() if len(found) == 1 else ""


def blocks_in(lines: Iterable[str]) -> tuple[list[Block], list[tuple[str, str, str]]]:
    """What each call printed, in order, and each device's features that `ethtool -K` was told to set."""
    reader = _Reader()
    reader.begin("", None)
    for line in filter(None, lines):
        for each in said_lines(line):
            reader.read(each)
    return reader.blocks, reader.settings

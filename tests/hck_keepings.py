"""`hck enforce` beside a keeper that says what a test has it say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from provision.lab.spec import Lab
from provision.runtime.command import Argv
from provision.runtime.protocols import Program
from provision.verbs.hck.enforce import enforce
from provision.verbs.hck.kept_taps import Enforced, Happened, HckNic, Voice
from tests.recorded_answers import LAB
from tests.recorded_host import MADE, RecordedEdges, brought_up, session_on

TAP, INDEX = "tap0", MADE["tap0"]["ifindex"]
THERE, KEPT, OFF, BACK = (f"{what} {TAP} {INDEX}" for what in ("there", "kept", "off", "back"))
VM = HckNic("vm", "net0", TAP)

Says = list[str] | Exception | Callable[[], list[str]] | None
"""What a keeper says at one look, how its host is lost, or that it has ended."""


def armed(lab: Lab, name: str) -> Lab:
    """The lab with the engine at this machine's NIC."""
    machine = lab.machines[name]
    nics = tuple(nic.model_copy(update={"rsc": "hck"}) for nic in machine.nics)
    hck = machine.model_copy(update={"purpose": "hck", "nics": nics})
    return lab.model_copy(update={"machines": {**lab.machines, name: hck}})


ARMED = armed(LAB, "vm")


@dataclass
class Keeping:
    """A keeper that says this, look by look; then somebody interrupts us, and it says what it says at its end."""

    says: list[Says]
    last: list[Says] = field(default_factory=lambda: [[BACK, "done"]])
    told: list[str] = field(default_factory=list)
    complaint = "no such luck"
    ended = False

    def say(self, line: str) -> None:
        if line == "end" and isinstance(self.last[0], Exception):
            raise self.last[0]
        self.told.append(line)

    def lines(self, seconds: float) -> list[str] | None:  # noqa: ARG002
        if "end" not in self.told and not self.says:
            raise KeyboardInterrupt
        said = (self.last if "end" in self.told else self.says).pop(0)
        if isinstance(said, Exception):
            raise said
        return said() if callable(said) else said


@dataclass
class Heard:
    """What was told, and what it came to."""

    events: list[tuple[str, int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    told: list[Happened] = field(default_factory=list)
    started: list[Argv] = field(default_factory=list)
    enforced: Enforced = field(default_factory=lambda: Enforced({}))


def enforcing(
    *keepings: Keeping, edges: RecordedEdges | None = None, lab: Lab = ARMED, heard: Heard | None = None
) -> Heard:
    """It, with each of these keepers after the one before."""
    heard = heard or Heard()
    left = list(keepings)

    @contextmanager
    def follow(argv: Argv) -> Iterator[Program]:
        heard.started.append(argv)
        keeping = left.pop(0)
        try:
            yield keeping
        finally:
            keeping.ended = True

    def tell(what: Happened) -> None:
        assert what.host == "local"
        if what.what in ("kept", "off", "back"):
            heard.events.append((what.what, what.count))
        else:
            heard.said.append(what.line)
        heard.told.append(what)

    def say(line: str) -> None:
        if line != "local: waiting until tx is on again where it was set off":
            heard.said.append(line)

    session = session_on(edges or brought_up(), lab)
    heard.enforced = enforce(session, follow, ["vm"], Voice(tell, say))
    assert all(keeping.ended for keeping in keepings)
    return heard

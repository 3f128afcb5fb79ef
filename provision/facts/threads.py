"""Parses the processor times of QEMU's threads, vhost's among them or apart, and of the whole host."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from provision.runtime.errors import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ThreadKind = Literal["vhost", "vcpu", "qemu"]
"""`qemu`: what QEMU does beside its guest's processors, its own packet path among that."""

_TICKS = 100
"""A second; what user space is told (USER_HZ) is that on every architecture that runs KVM."""
_MOST = 20_000
"""Threads that are believed; a QEMU has some hundred."""
_UTIME, _STIME = 11, 12
"""Where /proc/PID/stat has them, counted after the command's name (proc_pid_stat(5), fields 14 and 15)."""
_IDLE = (3, 4)
OWN_IDLE = (*_IDLE, 7)
"""Of a guest also what others had of its processors (steal)."""
"""Of /proc/stat's first line: idle and iowait; guest time stands within user time, too (proc_stat(5))."""
_COUNTED = 8


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread, and the processor time that it has had so far."""

    number: int
    name: str
    kind: ThreadKind
    seconds: float


@dataclass(frozen=True, slots=True)
class ProcessorTimes:
    """What a host's processors have done so far."""

    threads: tuple[Thread, ...]
    busy: float
    """Seconds, of all processors together."""
    whole: float

    @property
    def named(self) -> bool:
        """Whether the guest's processors are told by name: QEMU names its threads where it is told to (debug-threads=on)."""
        return any(thread.kind == "vcpu" for thread in self.threads)

    def since(self, before: ProcessorTimes) -> Mapping[ThreadKind, tuple[float, ...]]:
        """Seconds of each thread since then, by kind, the busiest first; of one that is new, all that it has had."""
        were = {thread.number: thread.seconds for thread in before.threads}
        found: defaultdict[ThreadKind, list[float]] = defaultdict(list)
        for thread in self.threads:
            found[thread.kind].append(max(0.0, thread.seconds - were.get(thread.number, 0.0)))
        return {kind: tuple(sorted(each, reverse=True)) for kind, each in found.items()}

    def busy_share(self, before: ProcessorTimes) -> float:
        """How much of all processors was busy since then; 1.0 is all."""
        passed = self.whole - before.whole
        return (self.busy - before.busy) / passed if passed > 0 else 0.0


def parse_processor_times(text: str) -> ProcessorTimes:
    """Lines of /proc/PID/task/*/stat, of vhost's own threads, and /proc/stat's first, in any order.

    :raise UnreadableError: when it is anything else, or there is no thread of a QEMU in it.
    """
    with reading("the processor times of a QEMU", text):
        lines = text.splitlines()
        if len(lines) > _MOST:
            raise ValueError("more threads than any QEMU has")
        [line] = [line for line in lines if line.startswith("cpu ")]
        busy, whole = all_processors(line)
        threads = {thread.number: thread for thread in _threads(lines)}
        if not threads:
            raise ValueError("it has ended")
        return ProcessorTimes(tuple(threads.values()), busy, whole)


def all_processors(line: str, idle: tuple[int, ...] = _IDLE) -> tuple[float, float]:
    """Seconds that a system's processors have been busy so far, and that have passed, of /proc/stat's first line.

    :param idle: the columns in which they were not.

    :raise ValueError: when it is another line.
    """
    words = line.split()
    ticks = [int(word) for word in words[1 : _COUNTED + 1]]
    if words[:1] != ["cpu"] or len(ticks) < _COUNTED or min(ticks) < 0:
        raise ValueError("not the first line of /proc/stat")
    whole = sum(ticks)
    return (whole - sum(ticks[at] for at in idle)) / _TICKS, whole / _TICKS


def _threads(lines: Iterable[str]) -> Iterable[Thread]:
    for line in lines:
        number, bracket, more = line.partition(" (")
        name, _, rest = more.rpartition(") ")
        if bracket and number.isdecimal():
            words = rest.split()
            ticks = int(words[_UTIME]) + int(words[_STIME])
            yield Thread(int(number), name, _kind(name), ticks / _TICKS)


def _kind(name: str) -> ThreadKind:
    """By its name: `vhost-PID` (Linux drivers/vhost/vhost.c), `CPU 0/KVM`, `CPU 0/TCG` or `ALL CPUs/TCG` (QEMU accel/)."""
    if name.startswith("vhost-") and name.removeprefix("vhost-").isdecimal():
        return "vhost"
    head, slash, _ = name.partition("/")
    return "vcpu" if slash and head.split(" ")[0] in ("CPU", "ALL") else "qemu"

"""Samples the frames that a host hands to its guests: one small program over all TAPs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.frames import TapSample, parse_samples
from provision.runtime.command import NOT_FOUND, UNRECORDED, Run
from provision.runtime.errors import HostError
from provision.runtime.safe_text import short
from provision.tables.backends import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.runtime.command import Result
    from provision.runtime.protocols import Runner
    from provision.verify.evidence import NicEvidence

Place = tuple[str, str, str]
"""A TAP's name, the network namespace that it is in and a path to that; the last two are empty for our own."""

# Of a TCP frame with data that is on its way to a TAP: when (nanoseconds), its data's length, that of one segment of it
# (0: it is one), its place in the stream, IP ID (-1: IPv6), DF, TCP's flags, and whether its IP and TCP headers are like
# the last one's where GRO asks for that (net/ipv4/tcp_offload.c, tcp_gro_receive). No address and no port is told.
_PROGRAM = r"""
import json, os, select, socket, struct, sys, time, zlib
FRAMES, FLOWS, SEEN, ALL = 128, 32, 20000, 20000
end, places = time.monotonic() + 2, [*zip(*[iter(sys.argv[1:])] * 3)]
home, room, kept, begun = os.open("/proc/self/ns/net", 0), bytearray(266), 0, 0
def enter(there):
    import ctypes
    if ctypes.CDLL(None).setns(there, 0x40000000):
        raise OSError(1, "its network namespace cannot be entered")
def opened(tap, network, path):
    there = os.open(path or "/proc/self/ns/net", 0)
    try:
        if path and network != "net:[%d]" % os.fstat(there).st_ino:
            raise OSError(3, "the process that its network namespace was known by has ended")
        if path:
            enter(there)
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        for level, name, value in ((1, 33, max(1 << 18, min(1 << 22, (1 << 26) // len(places)))), (1, 35, 1), (263, 15, 1)):
            wire.setsockopt(level, name, value)  # SO_RCVBUFFORCE, SO_TIMESTAMPNS, PACKET_VNET_HDR
        wire.setblocking(False)
        wire.bind((tap, 3))
        return wire
    finally:
        if path:
            enter(home)
        os.close(there)
def told(frame, size):
    kind, at = frame[12:14], 14
    while kind in (b"\x81\x00", b"\x88\xa8"):
        kind, at = frame[at + 2 : at + 4], at + 4
    if kind == b"\x08\x00":
        whole, number, part = struct.unpack_from("!HHH", frame, at + 2)
        tcp, ends, like, df = at + 4 * (frame[at] & 15), frame[at + 12 : at + 20], frame[at + 1 : at + 2] + frame[at + 8 : at + 9], part >> 14 & 1
        if frame[at + 9] != 6 or part & 0x3FFF:
            return None
        size = at + whole if whole else size
    elif kind == b"\x86\xdd":
        whole, header, tcp, number, df = struct.unpack_from("!H", frame, at + 4)[0], frame[at + 6], at + 40, -1, 0
        ends, like = frame[at + 8 : at + 40], frame[at : at + 4] + frame[at + 7 : at + 8]
        while header in (0, 43, 60):
            header, tcp = frame[tcp], tcp + 8 * (frame[tcp + 1] + 1)
        if header != 6:
            return None
        size = at + 40 + whole if whole else size
    else:
        return None
    data = tcp + 4 * (frame[tcp + 12] >> 4)
    like += frame[tcp + 8 : tcp + 12] + frame[tcp + 20 : data]
    sequence = struct.unpack_from("!I", frame, tcp + 4)[0]
    return (len(ends), ends, frame[tcp : tcp + 4]), size - data, sequence, number, df, frame[tcp + 13], zlib.crc32(like)
def take(wire, tap):
    global kept, begun
    try:
        size, more, _, about = wire.recvmsg_into([room], 64, socket.MSG_TRUNC)
    except BlockingIOError:
        return False
    except OSError:
        tap["seen"] += 1
        return True
    if about[2] != socket.PACKET_OUTGOING:
        return True
    tap["seen"] += 1
    segment = struct.unpack_from("=BBHH", room)[3]
    try:
        found = told(bytes(room[10 : min(size, len(room))]), size - 10)
    except (IndexError, struct.error):
        found = None
    if not found:
        return True
    tap["tcp"] += 1
    flow, data, sequence, number, df, flags, like = found
    if data <= 0 or kept >= ALL or (flow not in tap["flows"] and len(tap["flows"]) >= FLOWS):
        return True
    frames = tap["flows"].setdefault(flow, [])
    if len(frames) < FRAMES:
        stamp = [struct.unpack("@ll", text) for _, kind, text in more if kind == 35]
        when = stamp[0][0] * 10**9 + stamp[0][1] if stamp else int(time.time() * 10**9)
        begun, kept = begun or when, kept + 1
        frames.append([when - begun, data, segment, sequence, number, df, flags, like])
    return True
taps, wires, ready = [{"seen": 0, "tcp": 0, "flows": {}, "trouble": ""} for place in places], {}, select.poll()
for place, tap in zip(places, taps):
    try:
        wire = opened(*place)
        wires[wire.fileno()] = wire, tap
        ready.register(wire, select.POLLIN)
    except OSError as error:
        tap["trouble"] = error.strerror or "?"
while wires and time.monotonic() < end:
    for number, event in ready.poll(max(end - time.monotonic(), 0) * 1000):
        wire, tap = wires[number]
        for turn in range(64):
            if not take(wire, tap):
                break
        if tap["seen"] >= SEEN:
            ready.unregister(wire)
            del wires[number]
for tap in taps:
    tap["flows"] = [
        {"family": 4 if flow[0] == 8 else 6, "frames": [
            [*one[:3], one[3] - frames[0][3] & 0xFFFFFFFF, *one[4:7], int(one[7] == before[7])] for before, one in zip([frames[0], *frames], frames)
        ]} for flow, frames in tap["flows"].items() if frames
    ]
print(json.dumps({"taps": taps}, separators=(",", ":")))
"""

LASTS = 2.0
"""Seconds that a sample takes."""

_PROGRAM_OF_0_1 = r"""
import select, socket, sys, time
counts, left = {}, {}
for tap in sys.argv[1:]:
    counts[tap] = [0, 0]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
    try:
        wire.bind((tap, 3))
        left[wire] = counts[tap]
    except OSError:
        wire.close()  # it has gone
end = time.monotonic() + 2
while left and (now := time.monotonic()) < end:
    for wire in select.select(left, [], [], end - now)[0]:
        frame, about = wire.recvfrom(64)
        if about[2] != socket.PACKET_OUTGOING:
            continue
        kind = frame[12:14]
        number = frame[23] if kind == b"\x08\x00" else frame[20] if kind == b"\x86\xdd" else 0
        left[wire][0] += 1
        left[wire][1] += number == 6
        if left[wire][0] == 500:
            del left[wire]
for seen, tcp in counts.values():
    print(seen, tcp)
"""
OF_0_1 = ("python3", "-c", _PROGRAM_OF_0_1)
"""How 0.1.0 asked: for frames and TCP among them, of TAPs of our own network; its answers are still read."""


def place(nic: NicEvidence) -> Place | None:
    """Where a NIC's TAP is; None of a NIC without one that shows what the guest is handed."""
    if not nic.tap or nic.state == "off" or nic.kind not in INTERFACES or not INTERFACES[nic.kind].tap:
        return None
    return nic.tap, nic.network, f"/proc/{nic.pid}/ns/net" if nic.network else ""


def sampling(places: Sequence[Place]) -> Run:
    """The command for these TAPs."""
    return Run(("python3", "-I", "-c", _PROGRAM, *(word for each in places for word in each)))


def is_sampling(run: Run) -> bool:
    """Whether a command samples TAPs, whichever."""
    return run.argv[:4] == ("python3", "-I", "-c", _PROGRAM)


def sample(runner: Runner, places: Sequence[Place]) -> Mapping[Place, TapSample]:
    """What goes to each of these TAPs in two seconds, all side by side.

    It needs python3 and root (CAP_NET_RAW) on the host; without them the reason is told.
    """
    if not places:
        return {}
    try:
        answer = runner.run(sampling(places).argv)
        if answer.argv[:3] == OF_0_1:
            return _as_0_1_told(answer, places)
        if answer.status == UNRECORDED:
            return {}
        samples = parse_samples(answer.out) if answer.ok else ()
    except HostError as error:
        return dict.fromkeys(places, TapSample(trouble=str(error)))
    if len(samples) != len(places):
        return dict.fromkeys(places, TapSample(trouble=_trouble(answer)))
    return dict(zip(places, samples, strict=True))


def _trouble(answer: Result) -> str:
    if answer.status == NOT_FOUND:
        return f"python3 not found on {answer.host}"
    return short((answer.err.strip().splitlines() or ["the sample is not of these TAPs"])[-1], 200)


_TOLD = 100
"""Frames below which a sample of 0.1.0 tells nothing."""


def _as_0_1_told(answer: Result, places: Sequence[Place]) -> Mapping[Place, TapSample]:
    lines = [line.split() for line in answer.out.splitlines()]
    counts = [
        [*map(int, words)] if len(words) == 2 and all(word.isdecimal() for word in words) else [0, 0]
        for words in lines
    ]
    taps = dict(zip(answer.argv[3:], counts, strict=False)) if answer.ok else {}
    return {
        each: TapSample(taps[each[0]][0], taps[each[0]][1])
        for each in places
        if not each[1] and each[0] in taps and taps[each[0]][0] >= _TOLD
    }

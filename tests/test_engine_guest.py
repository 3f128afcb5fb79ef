"""The engine guest's judgement, compiled for this machine: it says wrong of what is wrong, and believes no device."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest

from tests.engine import link
from tests.engine.compiled import compiled
from tests.engine.link import Record
from tests.engine.ports import OWN_MAC
from tests.engine.segments import ACK, FAMILIES, PSH, TIMESTAMPS, Family, Segment, packet

HEAD = OWN_MAC * 2
TYPES: dict[Family, bytes] = {"ipv4": b"\x08\x00", "ipv6": b"\x86\xdd"}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it does beyond a frame's or ring's end is reported by the sanitizers, and fails."""
    target = tmp_path_factory.mktemp("engine") / "trial"
    return compiled(
        target, ("trial.c", "frame.c", "ring.c"), "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    )


def judged(trial: Path, *frames: bytes) -> list[Record]:
    said = b"".join(struct.pack("=I", len(frame)) + frame for frame in frames)
    done = subprocess.run([trial, "frames"], input=said, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    size = link.RECORD.size
    assert len(done.stdout) == len(frames) * size
    return [link.record(done.stdout[at : at + size]) for at in range(0, len(done.stdout), size)]


def frame(segment: Segment, *, partial: bool = False) -> bytes:
    return HEAD + TYPES[segment.family] + packet(segment, partial=partial)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [0, 1, 99, 100, 1460, 65_000])
def test_a_segment_as_it_was_sent_is_right_and_intact(trial: Path, family: Family, size: int) -> None:
    sent = Segment(family, 0xFFFFFF00, size, ACK | PSH, 77, TIMESTAMPS, port=4711)
    [found] = judged(trial, frame(sent))

    assert (found.sum, found.intact, found.malformed) == ("right", True, False)
    assert found.ip_sum == ("right" if family == "ipv4" else "none")
    assert (found.sequence, found.acknowledged, found.payload, found.source_port) == (
        0xFFFFFF00,
        77,
        size,
        4711,
    )
    assert (found.tcp_flags, found.protocol, found.length) == (ACK | PSH, 6, len(frame(sent)))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checksum_that_was_left_to_a_device_is_told_from_a_wrong_one(trial: Path, family: Family) -> None:
    left, wrong = frame(Segment(family, size=50), partial=True), bytearray(frame(Segment(family, size=50)))
    wrong[-1] ^= 1
    assert [each.sum for each in judged(trial, left, bytes(wrong))] == ["partial", "wrong"]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_changed_bit_that_a_checksum_covers_is_called_right(trial: Path, family: Family) -> None:
    """No sum covers IPv6's traffic class, flow label and hop limit; those of IPv6's other fields are in the pseudo header."""
    sent = frame(Segment(family, size=20))
    uncovered = {14, 15, 16, 17, 21} if family == "ipv6" else set()
    changed = []
    for bit in range(12 * 8, len(sent) * 8):
        if bit // 8 not in uncovered:
            other = bytearray(sent)
            other[bit // 8] ^= 1 << bit % 8
            changed.append(bytes(other))
    for each in judged(trial, *changed):
        assert each.malformed or "wrong" in (each.ip_sum, each.sum), each


@pytest.mark.parametrize("family", FAMILIES)
def test_another_payload_than_that_of_its_sequence_number_is_not_intact(trial: Path, family: Family) -> None:
    sent = frame(Segment(family, size=2000))
    other = sent[:-2000] + frame(Segment(family, sequence=1461, size=2000))[-2000:]
    assert [each.intact for each in judged(trial, sent, other)] == [True, False]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_cut_frame_is_malformed_and_nothing_beyond_its_end_is_looked_at(
    trial: Path, family: Family
) -> None:
    sent = frame(Segment(family, size=20, options=TIMESTAMPS))
    for each in judged(trial, *(sent[:size] for size in range(len(sent)))):
        assert each.malformed


def test_noise_in_headers_is_judged_without_a_look_beyond(trial: Path) -> None:
    noise = random.Random(1)  # noqa: S311 - the same noise in each run
    frames = []
    for _ in range(3000):
        changed = bytearray(frame(Segment(noise.choice(FAMILIES), size=30)))
        for _ in range(noise.randrange(1, 6)):
            changed[noise.randrange(12, 70)] = noise.randrange(256)
        frames.append(bytes(changed[: noise.randrange(len(changed))]))
    judged(trial, *frames)


# What the device says (used index, first id and length), how much is taken of it, and what is said of the rest.
RINGS = {
    "nothing": ((0, 0, 0), 0, ""),
    "the truth": ((1, 3, 100), 1, ""),
    "more than has room": ((1, 0, 101), 0, "used length above the buffer"),
    "what it does not have": ((1, 4, 10), 0, "used id was not handed out"),
    "the same twice": ((2, 0, 10), 1, "used id was not handed out"),
    "what there cannot be": ((1, 8, 10), 0, "used id out of range"),
    "a huge id": ((1, 4294967295, 1), 0, "used id out of range"),
    "too many": ((9, 0, 1), 0, "used index runs ahead"),
    "fewer than before": ((65535, 0, 1), 0, "used index runs ahead"),
}


@pytest.mark.parametrize(("said", "taken", "trouble"), RINGS.values(), ids=RINGS)
def test_a_device_that_lies_about_a_ring_is_named_and_nothing_is_taken_of_it(
    trial: Path, said: tuple[int, int, int], taken: int, trouble: str
) -> None:
    done = subprocess.run(
        [trial, "ring", *map(str, said)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"{taken} {trouble}\n"

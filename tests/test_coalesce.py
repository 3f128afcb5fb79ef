"""`ethtool -c` is read whole or not at all, whatever version printed it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provision.facts.ethtool_coalesce import coalesce_name, parse_coalesce, parse_coalesce_json
from provision.runtime.errors import UnreadableError

Read = Callable[[str], str]

ADAPTIVE = {
    "adaptive-rx": True,
    "adaptive-tx": False,
    "rx-usecs": 33,
    "rx-frames": 88,
    "tx-usecs": 158,
    "tx-frames": 128,
    "cqe-mode-rx": True,
    "cqe-mode-tx": False,
}
GARBAGE = ["", "\n\n", "netlink error: Operation not supported\n", "[ ]\n", "null", "[" * 9999]


@pytest.mark.parametrize("version", ["6.1", "6.14.2", "7.2"])
def test_a_tap_has_rx_frames_alone(version: str, fixture_text: Read) -> None:
    assert parse_coalesce(fixture_text(f"ethtool-{version}/coalesce-tap.txt")) == {"rx-frames": 16}


@pytest.mark.parametrize("version", ["6.14.2", "7.2"])
def test_a_tap_has_rx_frames_alone_in_json_too(version: str, fixture_text: Read) -> None:
    assert parse_coalesce_json(fixture_text(f"ethtool-{version}/coalesce-tap.json")) == {"rx-frames": 16}


def test_a_device_without_coalescing_says_nothing_that_could_be_read(fixture_text: Read) -> None:
    assert "Operation not supported" in fixture_text("ethtool-6.1/coalesce-veth.stderr")
    with pytest.raises(UnreadableError):
        parse_coalesce(fixture_text("ethtool-6.1/coalesce-veth.txt"))
    with pytest.raises(UnreadableError):
        parse_coalesce_json(fixture_text("ethtool-6.14.2/coalesce-veth.json"))


@pytest.mark.parametrize("name", ["coalesce-adaptive-newer", "coalesce-no-colon"])
def test_both_pairs_of_switches_are_told_apart(name: str, fixture_text: Read) -> None:
    assert parse_coalesce(fixture_text(f"composed/{name}.txt")) == ADAPTIVE


def test_text_and_json_say_the_same(fixture_text: Read) -> None:
    assert parse_coalesce_json(fixture_text("composed/coalesce-adaptive-newer.json")) == ADAPTIVE


def test_json_that_calls_both_pairs_rx_and_tx_is_unreadable(fixture_text: Read) -> None:
    with pytest.raises(UnreadableError):
        parse_coalesce_json(fixture_text("composed/coalesce-rx-tx-twice.json"))
    with pytest.raises(UnreadableError):
        parse_coalesce_json('[{"ifname": "eno1", "rx": true, "tx": false}]')


def test_names_are_those_that_ethtool_takes_not_the_singular_that_it_prints(fixture_text: Read) -> None:
    found = parse_coalesce(fixture_text("composed/coalesce-adaptive-6.1.txt"))

    assert found == ADAPTIVE | {"rx-usecs-low": 1, "rx-frames-low": 2, "tx-usecs-high": 9}
    assert coalesce_name("rx-frame-low") == coalesce_name("rx-frames-low") == "rx-frames-low"


def test_the_old_ioctl_prints_everything_and_is_read(fixture_text: Read) -> None:
    found = parse_coalesce(fixture_text("composed/coalesce-ioctl.txt"))

    assert (found["rx-usecs"], found["adaptive-rx"], found["tx-frames-high"]) == (3, False, 0)
    assert len(found) == 22


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rx-usecs: n/a", "rx-usecs: 4294967296"),
        ("rx-usecs: n/a", "rx-usecs: -1"),
        ("rx-usecs: n/a", "rx-usecs: on"),
        ("rx-usecs: n/a", "rx-usecs n/a"),
        ("rx-usecs: n/a\n", ""),
        ("rx-usecs: n/a", "rx-usecs: 3\nrx-usecs: 4"),
        ("rx-usecs: n/a", "rx-usecs: \N{ARABIC-INDIC DIGIT THREE}"),
        ("Adaptive RX: n/a  TX: n/a", "Adaptive RX: 1  TX: n/a"),
        ("Adaptive RX: n/a  TX: n/a\n", ""),
        ("Coalesce", "Coalescing"),
        ("tap0:", "tap0: no"),
        ("rx-frames: 16", "rx-frames: 16\nnetlink error"),
    ],
)
def test_nothing_is_half_read(old: str, new: str, fixture_text: Read) -> None:
    text = fixture_text("ethtool-6.1/coalesce-tap.txt")
    assert old in text

    with pytest.raises(UnreadableError) as caught:
        parse_coalesce(text.replace(old, new))
    assert caught.value.text == text.replace(old, new)


def test_text_that_was_cut_off_is_unreadable(fixture_text: Read) -> None:
    text = fixture_text("composed/coalesce-adaptive-6.1.txt")
    group = text.index("CQE")  # older versions end here

    for end in range(len(text)):
        if end != group:
            with pytest.raises(UnreadableError):
                parse_coalesce(text[:end])


@pytest.mark.parametrize(
    "text",
    [
        '[{"ifname": "a", "rx-usecs": true}]',
        '[{"ifname": "a", "rx-usecs": -1}]',
        '[{"ifname": "a", "rx-usecs": 4294967296}]',
        '[{"ifname": "a", "rx-usecs": 1.5}]',
        '[{"ifname": "a", "rx-usecs": null}]',
        '[{"ifname": "a", "rx-usecs": 1, "rx-usecs": 2}]',
        '[{"ifname": "a", "adaptive-rx": 1}]',
        '[{"ifname": 5}]',
        '[{"rx-usecs": 5}]',
        '[{"ifname": "a"}, {"ifname": "b"}]',
        '{"ifname": "a"}',
    ],
)
def test_json_of_another_shape_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_coalesce_json(text)


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.parametrize("parse", [parse_coalesce, parse_coalesce_json])
def test_what_is_not_ethtools_output_is_unreadable(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(UnreadableError):
        parse(text)

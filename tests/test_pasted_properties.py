"""Whatever is pasted together: no device gets another's lines, nothing is ready, and nothing takes long."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from provision.facts.ethtool_pasted import parse_pasted
from provision.runtime.errors import RequestError
from tests.builders import FIXTURES
from tests.pastes import NIC, OFF, ON, TAP, passed, verdicts

ETHTOOL = FIXTURES / "ethtool-6.1"
FULL = {name: (ETHTOOL / f"features-{name}.txt").read_text() for name in ("tap-csum-tso", "tap-tso-off", "tap-csum-tso-tx-off")}  # fmt: skip
MARGINS = st.one_of(
    st.text(max_size=20).filter(lambda text: len(text.splitlines()) < 2),
    st.sampled_from(
        ["> ", "\t", " * ", "2026-11-28T05:13:52.180Z hv1 x[7]: ", "hv1 | ", "\x1b[1m", "&gt; ", '"']
    ),
)


@given(st.sampled_from(sorted(FULL)), MARGINS, st.sampled_from(["", '",', "<br/>", "\r", "  "]))
def test_a_margin_never_changes_what_is_said(name: str, margin: str, end: str) -> None:
    [plain] = verdicts(FULL[name])
    text = "".join(f"{margin}{line}{end}\n" for line in FULL[name].splitlines())
    try:
        found = verdicts(text)
    except RequestError:
        return
    assert {each.verdict for each in found} <= {plain.verdict, "unknown"}
    assert {passed(each) for each in found} <= {passed(plain), "unknown unknown"}


def _some(text: str) -> st.SearchStrategy[str]:
    """The text's lines, any of them left out."""
    lines = text.splitlines(keepends=True)
    return st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)).map(
        lambda kept: "".join(line for line, keep in zip(lines, kept, strict=True) if keep)
    )


@given(st.permutations([TAP.replace(OFF, ON), NIC]).flatmap(lambda texts: st.tuples(*map(_some, texts))))
def test_what_is_left_of_a_nic_beside_a_tap_breaks_no_tap(texts: tuple[str, ...]) -> None:
    try:
        found = verdicts("".join(texts))
    except RequestError:
        return
    assert {each.verdict for each in found} == {"unknown"}


KNOWN = {"tap0": ON, "tap1": OFF, "vnet2": ON, "eno1": OFF, "bond0": ON, "uplink": OFF}
"""Devices, and their lines; of those that are no TAPs nothing may be said."""
GREP = "| grep -e generic -e tx-tcp"


def _whole(device: str) -> str:
    like = TAP if device in ("tap0", "tap1", "vnet2") else NIC
    return like.replace(OFF, KNOWN[device])


def _looped(devices: list[str], body: str, show: str) -> str:
    listed = " ".join(devices)
    lines = "".join(show.replace("NAME", device) + KNOWN[device] for device in devices)
    return f"# for i in {listed}; do {body}ethtool -k $i {GREP}; done\n{lines}"


HOW = {
    "head": lambda devices: "".join(f"Features for {each}:\n{_whole(each)}" for each in devices),
    "head, grepped": lambda devices: "".join(f"Features for {each}:\n{KNOWN[each]}" for each in devices),
    "call": lambda devices: "".join(f"root@hv:~# ethtool -k {each} {GREP}\n{KNOWN[each]}" for each in devices),
    "nameless": lambda devices: "".join(_whole(each) for each in devices),
    "grepped": lambda devices: "root@hv:~# ./show\n" + "".join(KNOWN[each] for each in devices),
    "loop": lambda devices: _looped(devices, "", ""),
    "loop, heads": lambda devices: _looped(devices, "echo == $i ==; ", "== NAME ==\n"),
    "loop, names": lambda devices: _looped(devices, "echo $i; ", "NAME\n"),
    "loop, names below": lambda devices: _looped(devices, "", "")[:-1] + f"\n{devices[-1]}\n",
    "heads": lambda devices: "".join(f"--- {each} ---\n{KNOWN[each]}" for each in devices),
    "other things": lambda devices: f"I have {len(devices)} NICs.\n```\n# ip link\n1: lo: mtu 65536\n```\n",
}  # fmt: skip


@example(parts=[("heads", ["eno1"]), ("nameless", ["tap1"])], margin="")
@example(parts=[("call", ["eno1"]), ("nameless", ["tap1"])], margin="")
@given(st.lists(st.tuples(st.sampled_from(sorted(HOW)), st.lists(st.sampled_from(sorted(KNOWN)), min_size=1, max_size=4, unique=True)), min_size=1, max_size=4),
       st.sampled_from(["", "> ", "2026-11-28 05:13:52 DEBUG| "]))  # fmt: skip
def test_whatever_is_pasted_together_no_device_gets_anothers_lines(
    parts: list[tuple[str, list[str]]], margin: str
) -> None:
    ways = [how for how, _ in parts]
    assume(("loop, names below", "nameless") not in pairwise(ways))  # then it is a name above, to any reader
    text = "".join(HOW[how](devices) for how, devices in parts)
    try:
        found = verdicts("".join(f"{margin}{line}\n" for line in text.splitlines()))
    except RequestError:
        return
    pasted_ones = {device for _, devices in parts for device in devices}
    for each in found:
        device = each.evidence.tap
        if device is None:
            assert each.verdict == "unknown" or "tap1" in pasted_ones
        else:
            assert passed(each) in ("unknown unknown", {"tap1": "fail fail"}.get(device, "pass pass"))
            assert each.verdict == "unknown" or device == "tap1"


@pytest.mark.parametrize(
    "piece",
    ["ethtool -k ", "ethtool -a -a -a -a -a -a -a ", "Features for a:", "Features for " + "a" * 70, "a-", "tx-", "tx: on [", "a" * 50 + ":",
     "for i in ", "&gt;", "<br", "<b ", "[{", "== ", "> ", "\\n", "root@hv ", "a@b", "tap0 ", "$i", "\x1b[", "i=", "tx-tcp-segmentation: on ",
     "Coalesce parameters for a:\n", "Features for a:\ntx-tcp-segmentation: on\n", "rx-usecs: 3 ", "== tap0 ==\n", "tx-tcp-segmentation: on\n"],
)  # fmt: skip
def test_a_long_paste_takes_no_longer_than_its_length(piece: str) -> None:
    text = (piece * 300_000)[:300_000]

    begun = time.process_time()
    parse_pasted(text)

    assert time.process_time() - begun < 5

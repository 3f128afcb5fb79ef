"""Pasted output: read as people paste it, and nothing said that it does not show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.ethtool_features import Features, parse_features
from provision.facts.ethtool_pasted import parse_pasted
from provision.runtime.errors import RequestError
from provision.verify.collect.pasted import pasted
from provision.verify.evidence import NicEvidence, Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from provision.verify.report.document import as_json, exit_status
from tests.builders import FIXTURES

OLD, NEW = FIXTURES / "ethtool-6.1", FIXTURES / "ethtool-6.14.2"
TAP = (OLD / "features-tap-csum-tso.txt").read_text()
TX_OFF = (OLD / "features-tap-csum-tso-tx-off.txt").read_text()
E1000E = parse_features((OLD / "features-e1000e.json").read_text())["eth0"]
COALESCE = (OLD / "coalesce-e1000e.txt").read_text()


def features(text: str) -> Features:
    [found] = parse_pasted(text).features
    return found.features


def one(text: str) -> NicVerdict:
    [nic] = pasted({"report.md": text})
    return judge_nic(nic)


def state(verdict: NicVerdict) -> tuple[str, str]:
    rung = next(rung for rung in verdict.ladder if rung.name == "passed")
    return rung.states["ipv4"], rung.states["ipv6"]


def as_printed(device: str, found: Features) -> str:
    """As `ethtool -k` prints it: its words are those of `Feature`."""
    return "\n".join([f"Features for {device}:", *(f"{name}: {each}" for name, each in found.items())]) + "\n"


@pytest.mark.parametrize("name", ["without-qemu", "no-driver"])
def test_the_text_says_what_the_json_says(name: str) -> None:
    text = features((OLD / f"features-tap-{name}.txt").read_text())
    same = parse_features((OLD / f"tap-{name}.json").read_text())["tap0"]

    assert list(text) == list(same)
    assert {name: str(each) for name, each in text.items()} == {
        name: str(each) for name, each in same.items()
    }
    assert {n: f.requested for n, f in text.items() if not f.fixed} == {
        n: f.requested for n, f in same.items() if not f.fixed
    }


@pytest.mark.parametrize("name", ["tap-csum-tso", "tap-csum-tso-tx-off", "macvtap"])
def test_a_newer_ethtool_says_it_alike(name: str) -> None:
    texts = [(folder / f"features-{name}.txt").read_text() for folder in (OLD, NEW)]

    assert features(texts[0]) == features(texts[1]) != {}


SURROUNDED = {
    "crlf": TX_OFF.replace("\n", "\r\n"),
    "quoted": "".join(f"> > {line}\n" for line in TX_OFF.splitlines()),
    "fenced": f"It is slow.\n\n```\n{TX_OFF}```\n\nAny idea?\n",
    "indented": "".join(f"    {line}\n" for line in TX_OFF.expandtabs().splitlines()),
    "blank lines": TX_OFF.replace("\n", "\n\n"),
    "prompts": f"root@hv:~# ethtool -k tap0\n{TX_OFF}root@hv:~# ip link\n1: lo: mtu 65536\nroot@hv:~# \n",
    "one line broken": TX_OFF.replace("highdma", "\N{REPLACEMENT CHARACTER}"),
    "coloured": TX_OFF.replace("off", "\x1b[31moff\x1b[0m"),
    "json": json.dumps([{"ifname": "tap0"} | {
        name: {"active": f.active, "fixed": f.fixed, "requested": f.requested} for name, f in features(TX_OFF).items()
    }], indent=1),
}  # fmt: skip


@pytest.mark.parametrize("how", SURROUNDED)
def test_what_a_person_puts_around_it_does_not_matter(how: str) -> None:
    found = features(SURROUNDED[how])

    for name in ("tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation", "rx-checksumming"):
        assert str(found[name]) == str(features(TX_OFF)[name])


def test_lines_that_grep_left_are_known_by_the_command() -> None:
    lines = "\n".join(line for line in TAP.splitlines() if "tx-tcp" in line or "ip-generic" in line)

    verdict = one(f"$ sudo ethtool -k 'vnet3' | grep -e tx-tcp -e generic\n{lines}\n")

    assert (verdict.evidence.tap, state(verdict)) == ("vnet3", ("pass", "pass"))
    assert "is taken for a TAP" in verdict.notes[-1]


def test_lines_that_were_not_pasted_are_unknown() -> None:
    verdict = one("Features for tap0:\ntcp-segmentation-offload: on\n")

    assert state(verdict) == ("unknown", "unknown")
    assert verdict.evidence.features == Unasked(
        "tx-checksum-ip-generic of tap0 is not in what was pasted", final=True
    )


def test_several_devices_and_commands_in_one_paste_are_told_apart() -> None:
    nics = pasted({
        "a.txt": f"# ethtool -k tap0\n{TAP}# ethtool -K tap0 tx off\nActual changes:\ntx-checksum-ip-generic: off\n"
                 f"# ethtool -k tap0\n{TX_OFF}\n# ethtool -c eth0\n{COALESCE}",
        "b.txt": TAP.replace("tap0", "vnet1"),
    })  # fmt: skip

    assert [(nic.machine, nic.nic, nic.tap) for nic in nics] == [
        ("a.txt", "tap0", "tap0"),
        ("a.txt", "tap0 (2)", "tap0"),
        ("a.txt", "eth0", "eth0"),
        ("b.txt", "vnet1", "vnet1"),
    ]
    assert [state(judge_nic(nic))[0] for nic in nics] == ["pass", "unknown", "unknown", "pass"]


def test_of_a_dump_of_all_devices_those_that_are_taps_are_judged() -> None:
    tap = json.loads((OLD / "tap-host-tx-off.json").read_text())
    nic = json.loads((OLD / "features-e1000e.json").read_text())

    assert [each.tap for each in pasted({"x": json.dumps([*nic, *tap], indent=1)})] == ["tap0"]
    assert [each.tap for each in pasted({"x": json.dumps([*nic, *nic], indent=1)})] == ["eth0"]


CASES = {
    "tap-csum-tso": ("unknown", None, ("pass", "pass"), "only where QEMU asked for them"),
    "tap-csum-tso-ecn": ("unknown", None, ("pass", "pass"), "only where QEMU asked for them"),
    "tap-csum-only": ("not-ready", "tap-segmentation-off", ("fail", "fail"), ""),
    "tap-tso-off": ("not-ready", "tap-segmentation-off", ("fail", "fail"), ""),
    "tap-tso4-only": ("not-ready", "tap-segmentation-off", ("pass", "fail"), ""),
    "tap-csum-only-tso-asked": (
        "not-ready",
        "tap-segmentation-off",
        ("fail", "fail"),
        "the host asks for it",
    ),
    "tap-sg-off": ("not-ready", "host-disabled-segmentation", ("fail", "fail"), ""),
    "tap-csum-tso-tx-off": ("unknown", None, ("unknown", "unknown"), "as NetKVM does; if the guest is up"),
    "tap-csum-tso-ecn-tx-off": ("unknown", None, ("unknown", "unknown"), "whose guest never had a driver"),
    "tap-no-driver-tso-asked": ("unknown", None, ("unknown", "unknown"), "whose guest never had a driver"),
    "tap-without-qemu-tx-off": ("unknown", None, ("unknown", "unknown"), "whose guest never had a driver"),
    "tap-no-driver": ("unknown", None, ("unknown", "unknown"), "until a guest's driver asks for it"),
    "tap-without-qemu": ("unknown", None, ("unknown", "unknown"), "no QEMU has opened yet"),
    "macvtap": ("unknown", None, ("unknown", "unknown"), "they tell nothing"),
    "veth": ("unknown", None, ("unknown", "unknown"), "is no TAP (rx-checksumming is on)"),
    "bridge": ("unknown", None, ("unknown", "unknown"), "is no TAP (highdma is on)"),
    "bridge-of-taps": ("unknown", None, ("unknown", "unknown"), "is no TAP (highdma can be switched)"),
}


@pytest.mark.parametrize("name", CASES)
def test_of_each_captured_state_no_more_is_said_than_it_shows(name: str) -> None:
    word, cause, passed, note = CASES[name]

    verdict = one((OLD / f"features-{name}.txt").read_text())

    assert verdict.verdict == word
    assert (verdict.finding.cause.id if verdict.finding.cause else None) == cause
    assert state(verdict) == passed
    assert note in " ".join(verdict.notes)
    assert bool(note) == bool(verdict.notes) or name == "veth"
    below = [rung for rung in verdict.ladder if rung.name in ("offered", "negotiated")]
    assert {(rung.states["ipv4"], rung.seen) for rung in below} == {("unknown", "not in what was pasted")}


def test_every_captured_state_has_a_case() -> None:
    assert {path.stem.removeprefix("features-") for path in OLD.glob("features-*.txt")} == set(CASES)


def test_a_physical_nic_whose_lines_are_all_on_is_not_taken_for_a_tap() -> None:
    on = {name: each for name, each in E1000E.items() if name != "tx-checksum-ip-generic"}
    like = {**on, "tx-checksum-ip-generic": E1000E["tx-tcp-segmentation"]}
    assert like["tx-tcp-segmentation"].active

    verdict = one(as_printed("eno1", like))

    assert (verdict.verdict, state(verdict)) == ("unknown", ("unknown", "unknown"))
    assert "eno1 is no TAP" in verdict.notes[0]
    assert "virsh domiflist" in verdict.notes[0]


def test_a_nic_without_gro_is_told() -> None:
    off = as_printed("eno1", E1000E).replace("generic-receive-offload: on", "generic-receive-offload: off")

    assert "ethtool -K eno1 gro on" in " ".join(one(off).notes)
    assert "gro on" not in " ".join(one(as_printed("eno1", E1000E)).notes)


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("ethtool-6.1/coalesce-e1000e.txt", "rx-usecs is 3 on eth0, and adaptive-rx does not overrule it"),
        ("ethtool-6.1/coalesce-tap.txt", "does not bear on RSC"),
        ("ethtool-6.14.2/coalesce-tap.txt", "does not bear on RSC"),
        ("ethtool-7.2/coalesce-tap.txt", "does not bear on RSC"),
        ("composed/coalesce-adaptive-6.1.txt", "adaptive-rx is on for eno1 and overrules rx-usecs (33)"),
        ("composed/coalesce-adaptive-newer.txt", "adaptive-rx is on for eno1 and overrules rx-usecs (33)"),
    ],
)
def test_coalescing_is_told_and_decides_nothing(file: str, note: str) -> None:
    text = (FIXTURES / file).read_text()
    for pasted_text in (text, "".join(f"> {line}\r\n" for line in text.expandtabs().splitlines())):
        verdict = one(pasted_text)

        assert note in " ".join(verdict.notes)
        assert verdict.verdict == "unknown"


def test_coalescing_without_rx_usecs_is_told() -> None:
    assert "has no rx-usecs (n/a)" in one(COALESCE.replace("rx-usecs: 3", "rx-usecs: n/a").replace(
        "tx-frames: n/a", "tx-frames: 7")).notes[0]  # fmt: skip


def test_coalescing_that_is_cut_off_is_said_to_be() -> None:
    assert "is cut off" in one(COALESCE[:60]).notes[0]


def test_coalescing_stands_beside_the_features_of_its_device() -> None:
    [nic] = pasted({"x": as_printed("eth0", E1000E) + "\n" + COALESCE})

    assert "rx-usecs is 3" in nic.notes[-1]


@pytest.mark.parametrize(
    "text", ["", "hello", "[{}]", '[{"ifname": 7}]', "[" * 100_000, "Features for :\nx: on", "\0"]
)
def test_what_holds_nothing_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(RequestError, match=r"nothing in x\.txt") as raised:
        pasted({"x.txt": text})

    assert "ethtool -k DEV" in raised.value.hint


@given(st.lists(st.sampled_from([*TX_OFF.splitlines(), *COALESCE.splitlines(), "[{", "```", "> ", "# ethtool -k x", "}]"])
                | st.text(max_size=20), max_size=60))  # fmt: skip
def test_no_paste_makes_a_traceback_or_a_ready(lines: list[str]) -> None:
    try:
        nics: list[NicEvidence] = pasted({"x": "\n".join(lines)})
    except RequestError:
        return
    verdicts = [judge_nic(nic) for nic in nics]

    assert exit_status(verdicts) in (1, 4)
    assert len(as_json(verdicts)["nics"]) == len(nics)


@pytest.mark.parametrize(
    ("words", "requested"),
    [("on", True), ("off", False), ("off [requested on]", True), ("on [requested off]", False),
     ("on [not requested]", False)],
)  # fmt: skip
def test_what_was_asked_for_is_what_the_note_says(words: str, *, requested: bool) -> None:
    found = features(f"Features for tap0:\ntx-tcp-segmentation: {words}\n")["tx-tcp-segmentation"]

    assert (found.active, found.requested) == (words.startswith("on"), requested)

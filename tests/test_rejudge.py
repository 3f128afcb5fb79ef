"""Evidence judged elsewhere: the same verdict, or a sentence; whoever wrote it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision.api.saved import Keep, judged_from, recorded
from provision.cli import run
from provision.edges.files.evidence_folder import EvidenceDirectory
from provision.runtime.command import Result
from provision.runtime.errors import HostError, RequestError, RscvmError
from provision.verbs.check import Look, check
from provision.verbs.rejudge import judge_saved
from provision.verify.collect.source import domain_source, lab_source
from provision.verify.judge.verdict import NicVerdict
from provision.verify.saved.files import INDEX, Request, Saved, as_files, parse_saved
from provision.verify.saved.kept_lab import saved_lab
from provision.verify.saved.record import Recorder
from tests.builders import FIXTURES, FakeEdges, FakeHost, one_vm
from tests.processes import proc_text
from tests.recordings import FEATURES, OneDomain, SayingHost, qemu

DOMAINS = Request(connect="qemu:///system", host="hv")
LINK = {"ifname": "tap0", "ifindex": 7, "operstate": "UP", "flags": ["UP"], "mtu": 1500}


def links(packets: int, octets: int) -> str:
    return json.dumps([{**LINK, "stats64": {"tx": {"bytes": octets, "packets": packets}, "rx": {}}}])


def edges(**changes: Any) -> FakeEdges:
    return FakeEdges(SayingHost("hv", features=FEATURES, **changes), OneDomain(qmp=qemu()))


def asked(real: FakeEdges, look: Look = Look()) -> tuple[list[NicVerdict], Saved]:  # noqa: B008 - frozen
    recorder = Recorder(real)
    verdicts = check(domain_source(recorder, "hv", (), monitor=look.monitor), look)
    request = DOMAINS.model_copy(update={"monitor": look.monitor, "observe": look.observe})
    return verdicts, Saved("0.1.0", "2026-11-22", request, {}, recorder.rows)


def through_files(saved: Saved) -> Saved:
    files = as_files(saved)
    return parse_saved(files[INDEX], files.__getitem__)


def judged(saved: Saved) -> list[NicVerdict]:
    [outcome] = judge_saved(saved)
    if outcome.error is not None:
        raise outcome.error
    return outcome.value or []


@pytest.mark.parametrize("look", [Look(), Look(monitor=False)])
def test_domains_are_judged_as_they_were(look: Look) -> None:
    there, saved = asked(edges(), look)

    assert there
    assert judged(through_files(saved)) == there


def test_what_was_watched_is_judged_at_once_and_as_it_was() -> None:
    outs = [FEATURES, links(10, 1000), "[]", "1.0 1.0", "", FEATURES, links(110, 6_001_000), "[]", "3.5 1.0"]
    there, saved = asked(edges(outs=outs, links=links(110, 6_001_000)), Look(observe=0.01))
    saved = Saved("0.1.0", "", saved.request.model_copy(update={"observe": 3600.0}), {}, saved.rows)

    [verdict] = judged(through_files(saved))

    assert verdict.ladder[-1].seen == there[0].ladder[-1].seen
    assert "100 frames of 60000 bytes" in verdict.ladder[-1].seen


class LabHost(SayingHost):
    """A host without anything of rscvm's but the domain."""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        result, text = super().run(argv, stdin=stdin, timeout=timeout), " ".join(argv)
        said = {
            "base64": proc_text({}),
            "boot_id": "0f0e0d0c-0b0a-4908-8706-050403020100\n",
            "CapEff": "CapEff: 0\n",
        }
        out = next((said[word] for word in said if word in text), result.out)
        return Result(result.host, result.argv, 44 if "exit 44" in text else 0, out, "")


def test_a_lab_is_judged_without_its_file() -> None:
    lab = one_vm("libvirt")
    recorder = Recorder(FakeEdges(LabHost("local", features=FEATURES), OneDomain(qmp=qemu())))
    there = check(lab_source(recorder, lab, "local", ["vm"]), Look())
    request = Request(lab=json.loads(json.dumps(saved_lab(lab))), names=("vm",))

    assert there
    assert judged(through_files(Saved("0.1.0", "", request, {}, recorder.rows))) == there


def test_a_host_that_did_not_answer_is_that_error_again() -> None:
    recorder = Recorder(
        FakeEdges(daemon=OneDomain(error=HostError("libvirt does not answer", hint="start it")))
    )
    with pytest.raises(HostError):
        check(domain_source(recorder, "hv", ()), Look())

    with pytest.raises(HostError, match="libvirt does not answer") as raised:
        judged(through_files(Saved("0.1.0", "", DOMAINS, {}, recorder.rows)))
    assert raised.value.hint == "start it"


def test_evidence_of_another_question_says_what_it_lacks() -> None:
    _, saved = asked(edges())
    other = Saved("0.0.9", "", DOMAINS.model_copy(update={"names": ("other",)}), {}, saved.rows)

    with pytest.raises(HostError, match="the evidence does not have it: domains other") as raised:
        judged(other)
    assert "rscvm 0.0.9" in raised.value.hint


def test_a_machine_that_the_lab_does_not_have_is_refused() -> None:
    request = Request(lab=saved_lab(one_vm()), names=("other",))

    with pytest.raises(RequestError, match="no machine other"):
        judge_saved(Saved("0.1.0", "", request, {}, ()))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from leaves(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


FILES = as_files(asked(edges())[1])
JUNK: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.just([])
    | st.just({})
    | st.just([{}])
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), JUNK)
def test_no_change_to_evidence_makes_a_traceback(data: st.DataObject, new: Any) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    files: Mapping[str, bytes] = FILES
    if name.endswith(".jsonl"):
        lines = FILES[name].splitlines()
        at = data.draw(st.integers(0, len(lines) - 1))
        document = json.loads(lines[at])
        lines[at] = json.dumps(
            changed(document, data.draw(st.sampled_from([*leaves(document)])), new)
        ).encode()
        files = {**FILES, name: b"\n".join(lines)}
    elif name.endswith(".json"):
        document = json.loads(FILES[name])
        path = data.draw(st.sampled_from([*leaves(document)]))
        files = {**FILES, name: json.dumps(changed(document, path, new)).encode()}
    else:
        cut = data.draw(st.integers(0, len(FILES[name])))
        files = {**FILES, name: FILES[name][:cut] + json.dumps(new).encode()}

    try:
        judge_saved(parse_saved(files[INDEX], files.__getitem__))
    except RscvmError as error:
        assert str(error)  # noqa: PT017 - it may raise, or not


def test_what_is_kept_on_the_way_is_judged_from_the_directory(tmp_path: Path) -> None:
    with recorded(edges(), str(tmp_path / "ev"), DOMAINS) as kept:
        there = check(domain_source(kept, "hv", ()), Look())

    [outcome] = judged_from(str(tmp_path / "ev"), None)

    assert outcome.value == there
    index = json.loads((tmp_path / "ev" / INDEX).read_text())
    assert index["schema"] == "rscvm/evidence/1"
    assert index["tools"]["hv"]["libvirt"] == "9.0.0"
    assert index["tools"]["hv"]["QEMU of vm"] == "7.2.22"


def test_without_a_directory_nothing_is_kept() -> None:
    real = edges()
    with (
        Keep(None, Look()).of_lab(real, one_vm(), ()) as one,
        Keep(None, Look()).of_qemu(real, "hv", "x") as other,
    ):
        assert one is other is real


def test_a_directory_that_will_not_do_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    host = FakeHost()
    (tmp_path / "x").write_text("")

    with pytest.raises(RequestError, match="not empty"), recorded(FakeEdges(host), str(tmp_path), DOMAINS):
        raise AssertionError
    assert host.said == []


def test_what_was_asked_before_an_error_is_kept(tmp_path: Path) -> None:
    gone = FakeEdges(daemon=OneDomain(error=HostError("libvirt does not answer")))
    with pytest.raises(HostError), recorded(gone, str(tmp_path / "ev"), DOMAINS) as kept:
        check(domain_source(kept, "hv", ()), Look())

    directory = EvidenceDirectory(str(tmp_path / "ev"))
    [*_, row] = parse_saved(directory.index(), directory.read).rows
    assert row.failure is not None
    assert row.failure.message == "libvirt does not answer"


def test_of_what_was_interrupted_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), recorded(edges(), str(tmp_path / "ev"), DOMAINS):
        raise KeyboardInterrupt

    assert not (tmp_path / "ev").exists()


def test_pasted_output_is_judged_from_a_pipe() -> None:
    text = "Features for tap0:\ntx-checksum-ip-generic: on\ntx-tcp-segmentation: off\ntx-tcp6-segmentation: off\n"

    [outcome] = judged_from("-", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert [verdict.verdict for verdict in outcome.value or ()] == ["not-ready"]


def test_a_sosreports_devices_are_judged_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "hv1" / "sos_commands" / "networking"
    folder.mkdir(parents=True)
    for device, name in (("vnet2", "features-tap-tso-off"), ("eno1", "features-veth")):
        text = (FIXTURES / "ethtool-6.1" / f"{name}.txt").read_text()
        (folder / f"ethtool_-k_{device}").write_text(
            f"Features for {device}:\n" + text.partition("\n")[2], encoding="utf-8"
        )
    coalesce = (FIXTURES / "composed" / "coalesce-adaptive-6.1.txt").read_text()
    (folder / "ethtool_-c_eno1").write_text(coalesce)

    [outcome] = judged_from(str(tmp_path / "hv1"), None)
    found = {each.evidence.nic: each for each in outcome.value or ()}

    assert {name: each.verdict for name, each in found.items()} == {"vnet2": "not-ready", "eno1": "unknown"}
    assert {each.evidence.machine for each in found.values()} == {"hv1"}
    assert "adaptive-rx is on for eno1" in " ".join(found["eno1"].notes)


def test_a_directory_with_neither_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(RequestError, match=r"nothing in notes\.txt"):
        judged_from(str(tmp_path), None)


@pytest.mark.parametrize(
    "more", [["lab.yaml"], ["--connect", "test:///default"], ["--save", "x"], ["--no-monitor"]]
)
def test_what_was_answered_is_not_asked_again(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--from", "-", *more]) == 2
    assert "only --json, --junit and --html go with it" in capsys.readouterr().err


def test_broken_evidence_ends_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / INDEX).write_text('{"schema": "rscvm/evidence/1", "answers": 7')

    assert run(["check", "--from", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"rscvm: {INDEX} is no JSON")


def test_a_name_in_evidence_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a\x1b[31m").write_text("Features for t\x1b[31map:\ntx-checksum-ip-generic: off\n")

    assert run(["check", "--from", str(tmp_path)]) == 4
    assert "\x1b[31m" not in capsys.readouterr().out

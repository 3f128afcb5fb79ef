"""Evidence as files: whatever was answered comes back, and nothing from outside names a path."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.runtime.errors import RequestError
from provision.verify.saved.filenames import Files, command_name
from provision.verify.saved.files import INDEX, Saved, as_files, parse_saved
from provision.verify.saved.kept_lab import restored_lab, saved_lab
from provision.verify.saved.record import Recorder
from provision.verify.saved.rows import Failure, Question, Row
from tests.builders import FIXTURES, FakeEdges, lab_of, one_vm
from tests.recordings import FEATURES, OneDomain, SayingHost, found, judged, qemu, ran, saved


def again(one: Saved) -> Saved:
    files = as_files(one)
    return parse_saved(files[INDEX], files.__getitem__)


def test_a_whole_check_comes_back_as_it_was() -> None:
    recorder = Recorder(FakeEdges(SayingHost("hv", features=FEATURES), OneDomain(qmp=qemu())))
    judged(recorder)
    one = saved(*recorder.rows)

    back = again(one)

    assert (back.rscvm, back.when, back.request, back.tools) == (one.rscvm, one.when, one.request, one.tools)
    assert sorted(map(repr, back.rows)) == sorted(map(repr, one.rows))


def test_each_answer_is_a_file_that_a_person_can_read() -> None:
    recorder = Recorder(FakeEdges(SayingHost("hv", features=FEATURES), OneDomain(qmp=qemu())))
    judged(recorder)

    files = as_files(saved(*recorder.rows))

    assert list(files) == [
        "hv/domains/vm/live.xml",
        "hv/ethtool--json-k.json",
        "hv/ip-json-details-stats-address-show.json",
        "hv/tc-json-qdisc-show.json",
        "hv/sh-c-QEMUs-and-what-they-hold-true-proc_1_cmdline-2_dev_null.txt",
        "hv/domains/vm/qmp.jsonl",
        INDEX,
    ]
    assert files["hv/ethtool--json-k.json"].decode() == FEATURES
    assert json.loads(files["hv/domains/vm/qmp.jsonl"].splitlines()[0])["execute"] == "qom-get"


names = st.text(max_size=80) | st.sampled_from(
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "-rf",
        "a\x1b[31m\n",
        "vm",
        "VM",
        "Vm",
        "index.json",
        "a" * 300,
    ]
)


@given(st.lists(names.filter(lambda name: name.isprintable() or "\x1b" in name), unique=True, max_size=8))
def test_no_name_from_outside_leads_out_or_collides(domains: list[str]) -> None:
    domains = [name.encode("utf-8", "replace").decode() for name in domains]
    files = as_files(saved(found(*dict.fromkeys(domains))))

    for path in files:
        assert re.fullmatch(r"[A-Za-z0-9_+@=][A-Za-z0-9._+@=/-]*", path)
        parts = PurePosixPath(path).parts
        assert all(part not in ("..", ".") and len(part) <= 100 and part[0] not in ".-" for part in parts)
    assert len({path.casefold() for path in files}) == len(files) == len(dict.fromkeys(domains)) + 1
    back = parse_saved(files[INDEX], files.__getitem__)
    assert back.rows == (found(*dict.fromkeys(domains)),)


@given(st.text(alphabet=st.characters()) | st.sampled_from(["\r\n", "\0", "\udcff", "a\u2028b", "\x85"]))
def test_whatever_a_program_said_comes_back_to_the_letter(text: str) -> None:
    rows = (ran(text, text), found("vm", xml=text))

    assert again(saved(*rows)).rows == rows


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_whatever_a_monitor_returned_comes_back(value: object) -> None:
    row = Row(Question("hv", "qmp", ("domain", "vm", "qom-get"), '{"path": "\\u2028"}'), value)

    assert again(saved(row)).rows == (row,)


def test_the_same_answer_twice_is_one_file_and_another_one_its_own() -> None:
    files = as_files(saved(ran("a"), ran("a"), ran("b")))

    assert list(files) == ["hv/ethtool--json-k.json", "hv/ethtool--json-k-2.json", INDEX]
    assert again(saved(ran("a"), ran("b"), ran("a"))).rows == (ran("a"), ran("b"), ran("a"))


@pytest.mark.parametrize("ask", ["run", "domain", "qmp", "monitor"])
def test_an_error_comes_back(ask: Any) -> None:
    row = Row(
        Question("hv", ask, ("domain", "vm", "qom-get"), "{}" if ask == "qmp" else ""),
        failure=Failure("RefusedError", "QEMU refused\n<b>", "hint", "GenericError"),
    )

    assert again(saved(row)).rows == (row,)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("ethtool", "--json", "-k", "*"), ("ethtool--json-k", ".json")),
        (
            ("ip", "-json", "-details", "-stats", "address", "show"),
            ("ip-json-details-stats-address-show", ".json"),
        ),
        (("cat", "/proc/uptime"), ("cat-proc_uptime", ".txt")),
        (("../../x",), (".._.._x", ".txt")),
    ],
)
def test_a_command_gives_its_file_a_name(argv: tuple[str, ...], name: tuple[str, str]) -> None:
    assert command_name(argv) == name


def test_a_file_keeps_off_a_name_that_is_reserved() -> None:
    files = Files("x.txt")

    assert files.folder("", "X.TXT") == "X.TXT-2"


def index(**changes: Any) -> bytes:
    document = json.loads(as_files(saved(ran("a")))[INDEX])
    return json.dumps({**document, **changes}).encode()


def answers(**changes: Any) -> bytes:
    document = json.loads(as_files(saved(ran("a")))[INDEX])
    return json.dumps({**document, "answers": [{**document["answers"][0], **changes}]}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "not of the form"),
        (b"null", "not of the form"),
        (index(schema="rscvm/evidence/2"), "rscvm/evidence/2"),
        (index(answers=7), "answers"),
        (index(answers=[{"host": "hv"}]), "ask"),
        (index(answers=[{"host": "hv", "ask": "format-disk"}]), "ask"),
        (index(request={"observe": "soon"}), "observe"),
        (answers(out="../../etc/passwd"), "no path inside"),
        (answers(out="/etc/passwd"), "no path inside"),
        (answers(out="hv/../../x"), "no path inside"),
        (answers(out=".ssh/id"), "no path inside"),
        (answers(out="a/" * 50 + "a"), "no path inside"),
        (answers(out="hv/nowhere.txt"), "nowhere"),
        (answers(out=""), "no path inside"),
        (answers(status="zero"), "status"),
        (answers(ask="qmp", words=["domain", "vm"], lines="hv/ethtool--json-k.json", status=None), "JSON"),
    ],
)  # fmt: skip
def test_an_index_that_is_none_is_said_in_a_sentence(data: bytes, words: str) -> None:
    files = as_files(saved(ran("a")))

    with pytest.raises(RequestError, match=re.escape(words)):
        parse_saved(data, files.__getitem__)


@pytest.mark.parametrize(
    "line", ["7", "{}", '{"execute": "x"}', '{"execute": "x", "failure": 7}', "[" * 100_000]
)
def test_a_line_of_a_monitor_that_is_none_is_said_in_a_sentence(line: str) -> None:
    data = answers(ask="qmp", words=["domain", "vm"], lines="hv/qmp.jsonl")

    with pytest.raises(RequestError, match="cannot be read"):
        parse_saved(data, lambda _: line.encode())


def test_the_error_of_newer_evidence_names_the_version_that_saved_it() -> None:
    with pytest.raises(RequestError) as raised:
        parse_saved(index(schema="rscvm/evidence/2", rscvm="9.9"), lambda _: b"")

    assert "rscvm 9.9" in raised.value.hint


SECRETS = """\
version: 1
hosts:
  hv: {address: hv.example.org, user: root, identity: /root/.ssh/key, known_hosts: /root/kh, sudo: true}
machines:
  vm:
    host: hv
    backend: qemu
    guest: linux
    memory: 256MiB
    kernel: {image: /srv/vmlinuz, cmdline: token=s3cret}
    ask: [{winrm: {address: 10.0.0.7, user: admin, password_env: PASS}}]
    nics: [{bridge: br0, rsc: hck, ifname: tap7, mac: "52:54:00:12:34:56"}]
    purpose: hck
"""


def test_a_lab_comes_back_without_what_leads_into_its_hosts_and_guests() -> None:
    lab = lab_of(SECRETS)

    document = json.loads(json.dumps(saved_lab(lab)))

    for word in ("example.org", ".ssh", "/root/kh", "s3cret", "10.0.0.7", "admin", "PASS", "sudo"):
        assert word not in json.dumps(document)
    back = restored_lab(document)
    assert (back.name, back.state_dir) == (lab.name, lab.state_dir)
    assert back.machines["vm"].nics == lab.machines["vm"].nics
    assert (back.machines["vm"].host, back.machines["vm"].purpose) == ("hv", "hck")


def test_a_machine_of_the_lab_that_came_back_is_rendered_alike() -> None:
    lab = one_vm("libvirt", **{"cmdline: console=ttyS0": 'cmdline: ""'})

    back = restored_lab(json.loads(json.dumps(saved_lab(lab))))

    assert domain_xml(machine_view(back, "vm")) == domain_xml(machine_view(lab, "vm"))


def test_every_key_of_a_lab_file_comes_back_or_is_left_out_on_purpose() -> None:
    text = (FIXTURES / "full-lab.yaml").read_text()
    lab = lab_of(text, INITRD="/srv/initrd.gz")

    back = restored_lab(json.loads(json.dumps(saved_lab(lab))))

    assert back.machines.keys() == lab.machines.keys()
    assert {name: host.nics for name, host in back.hosts.items()} == {
        name: host.nics for name, host in lab.hosts.items()
    }
    assert saved_lab(back) == saved_lab(lab)


@pytest.mark.parametrize(
    "document", [{}, {"version": 7}, {"machines": []}, {"version": 1, "name": "x", "more": 1}]
)
def test_a_lab_that_is_none_is_said_in_a_sentence(document: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="the evidence's lab is none"):
        restored_lab(document)


@pytest.mark.parametrize("more", [{"trouble": True}, {"autostart": "yes"}, {"name": "other"}])
def test_a_domain_of_other_kinds_of_fields_is_refused(more: dict[str, Any]) -> None:
    files = as_files(saved(found("vm")))
    index = json.loads(files[INDEX])
    index["answers"][0]["domains"][0]["more"] = more

    with pytest.raises(RequestError, match="of these kinds"):
        parse_saved(json.dumps(index).encode(), files.__getitem__)

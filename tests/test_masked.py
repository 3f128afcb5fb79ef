"""What may be a secret in others' words is masked, and what judges stays to the letter."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provision.facts.domain_compare import changed_by_hand, without_secrets
from provision.facts.masked_processes import masked_processes
from provision.facts.processes import parse_processes
from provision.facts.qemu_arguments import properties
from provision.host.read.processes import QEMUS
from provision.runtime.command import Result, shell
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.masked import masked_arguments, masked_json, masked_text, masked_word, masked_xml
from provision.verbs.fix.definition import unified
from provision.verify.saved.files import INDEX, as_files, parse_saved
from provision.verify.saved.rows import Failure, Question, Row
from tests.builders import FIXTURES
from tests.recordings import found, ran, saved

SECRET = "pl4nted"  # noqa: S105 - a test's
WORDS = {
    "secret,id=a,data=pl4nted": "secret,id=a,data=***",
    "secret,id=a,data=pl4nted,,too,format=raw": "secret,id=a,data=***,format=raw",
    "driver=https,file.password=pl4nted,key-secret=id": "driver=https,file.password=***,key-secret=id",
    "rbd:pool/image:id=me:key=pl4nted==": "rbd:pool/image:id=me:key=***",
    "port=5901,Password=pl4nted": "port=5901,Password=***",
    "https://me:pl4nted@host/x?token=pl4nted,if=virtio": "https://me:***@host/x?***,if=virtio",
    "file=iscsi://me%pl4nted@host/1": "file=iscsi://me%***@host/1",
    '{"qom-type":"secret","id":"a","data":"x\\"pl4nted"}': '{"qom-type":"secret","id":"a","data":"***"}',
    '{"file":"json:{\\"password\\":\\"pl4nted\\"}"}': '{"file":"json:{\\"password\\":\\"***\\"}"}',
    "user,id=u,guestfwd=tcp:10.0.2.100:80-cmd:x pl4nted": "user,id=u,guestfwd=***",
}
PLAIN = (
    "tap,id=n,ifname=tap0,script=no,vhost=on",
    "virtio-net-pci,netdev=n,mac=52:54:00:12:34:56,guest_tso4=off,host_mtu=1500",
    "unix:/run/password=x/monitor,server=on",
    "socket,id=mon,path=/run/a.sock,server=on",
    "unix:/run/vnc,password=on,password-secret=a",
    "qemu+ssh://root@hv1:22/system",
    "driver=virtio-net-pci,property=mrg_rxbuf,value=off",
)


@pytest.mark.parametrize("word", WORDS)
def test_a_secret_in_a_word_is_masked_and_nothing_else(word: str) -> None:
    assert masked_word(word) == WORDS[word]


@pytest.mark.parametrize("word", PLAIN)
def test_what_is_judged_stays_as_it_is(word: str) -> None:
    assert masked_word(word) == word
    assert list(masked_arguments(["-netdev", word])) == ["-netdev", word]


@pytest.mark.parametrize("option", ["-append", "--append", "-fw_cfg", "-smbios", "-incoming"])
def test_an_option_that_may_have_one_anywhere_is_masked_whole(option: str) -> None:
    assert list(masked_arguments([option, "pl4nted", "-S", "x"])) == [option, "***", "-S", "x"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<graphics type='vnc' passwd='pl4nted' autoport='yes'/>", "<graphics type='vnc' passwd='***' autoport='yes'/>"),
        ("<q:arg value='-append'/>\n<q:arg value='pl4nted'/>", "<q:arg value='-append'/>\n<q:arg value='***'/>"),
        ("<q:arg value='secret,data=a&amp;pl4nted,id=x'/>", "<q:arg value='secret,data=***,id=x'/>"),
        ("<q:arg value='{&quot;data&quot;:&quot;pl4nted&quot;}'/>", "<q:arg value='{&quot;data&quot;:&quot;***&quot;}'/>"),
        ("<q:env name='X' value='pl4nted'/>", "<q:env name='X' value='***'/>"),
        ("<cmdline>quiet x=pl4nted</cmdline>", "<cmdline>***</cmdline>"),
        ("<entry name='opt/x'>pl4nted</entry>", "<entry name='opt/x'>***</entry>"),
        ("<cookie name='a>b'>pl4nted</cookie>", "<cookie name='a>b'>***</cookie>"),
        ("<source protocol='https' name='x' query='sig=pl4nted'/>", "<source protocol='https' name='x' query='***'/>"),
        ("<source name='https://u:pl4nted@h/' />", "<source name='https://u:***@h/' />"),
    ],
)  # fmt: skip
def test_a_secret_in_xml_is_masked_and_nothing_else(text: str, left: str) -> None:
    assert masked_xml(f"<domain>{text}</domain>") == f"<domain>{left}</domain>"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("domains/**/*.xml")), ids=lambda path: path.stem)
def test_a_domain_without_secrets_stays_as_it_is_but_for_its_kernels_words(path: Path) -> None:
    text = path.read_text()

    assert [
        a
        for a, b in zip(text.splitlines(), masked_xml(text).splitlines(), strict=True)
        if a != b and "<cmdline>" not in a
    ] == []


PIECES = (
    "<a",
    "x='",
    "'",
    '"',
    "/>",
    ">",
    "=",
    ":",
    ",",
    "://",
    "&amp;",
    "id",
    "tap0",
    "\n",
    " ",
    "-netdev",
    "@",
    "{",
    "}",
)


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_what_has_no_secret_stays_as_it_is(plain: str) -> None:
    """Whatever else it has: no text, XML or not, is broken by looking for one."""
    assume("://" not in plain or "@" not in plain)

    assert masked_word(plain) == masked_text(plain) == masked_xml(plain) == plain


def test_proxmox_lines_are_masked() -> None:
    lines = "name: vm\ncipassword: pl4nted\nargs: -object secret,id=a,data=pl4nted -m 1\n"

    assert masked_text(lines) == "name: vm\ncipassword: ***\nargs: -object secret,id=a,data=*** -m 1\n"


def test_json_is_masked_by_its_keys() -> None:
    said = {"a": [{"password": SECRET, "n": 1, "uri": f"x://me:{SECRET}@h"}], "data": {"data": SECRET}}

    assert masked_json(said) == {
        "a": [{"password": "***", "n": 1, "uri": "x://me:***@h"}],
        "data": {"data": "***"},
    }


def proc(*argv: str) -> str:
    rows = [("/proc/self/status", "Uid:\t0\t0"), ("/proc/7/status", "Uid:\t0\t0")]
    rows += [("/proc/7/cmdline", word) for word in argv]
    rows += [("/proc/7/stat", "7 (x) S " + "1 " * 30), ("end", "")]
    return base64.b64encode(
        b"".join(part.encode("utf-8", "surrogateescape") + b"\0" for row in rows for part in row)
    ).decode()


def test_processes_are_masked_within_their_base64() -> None:
    said = proc("qemu", "-append", SECRET, "-object", f"secret,data={SECRET}", "-netdev", "tap,id=n\udcff")

    masked = masked_processes(said)

    [process] = parse_processes(masked).found
    assert process.argv == (
        "qemu",
        "-append",
        "***",
        "-object",
        "secret,data=***",
        "-netdev",
        "tap,id=n\ufffd",
    )
    assert masked_processes(masked) == masked
    assert SECRET.encode() not in base64.b64decode(masked)


def test_processes_without_secrets_stay_to_the_letter() -> None:
    said = proc("qemu", "-netdev", "tap,id=n\udcff", "")

    assert masked_processes(said) == said


def test_nothing_is_kept_of_processes_that_nobody_can_read() -> None:
    assert masked_processes(f"no base64: {SECRET}") == ""


def test_no_secret_gets_into_evidence_by_any_way() -> None:
    failure = Failure("HostError", f"x://me:{SECRET}@h", f"data={SECRET}")
    rows = (
        ran(proc("qemu", "-append", SECRET), f"password={SECRET}", argv=QEMUS.run.argv),
        ran(json.dumps({"cmdline": f"x={SECRET}"}), argv=("cat", "journal")),
        found("vm", xml=f"<domain><graphics passwd='{SECRET}'/></domain>"),
        Row(Question("hv", "qmp", ("domain", "vm", "x"), "{}"), {"password": SECRET}),
        Row(Question("hv", "qmp", ("domain", "vm", "y"), "{}"), failure=failure),
        Row(Question("hv", "version"), failure=failure),
    )

    files = as_files(saved(*rows))

    texts = [
        *files.values(),
        *(
            base64.b64decode(data)
            for name, data in files.items()
            if "QEMUs" in name and name.endswith(".txt")
        ),
    ]
    assert len(texts) > len(files)
    assert [text for text in texts if SECRET.encode() in text] == []
    assert len(parse_saved(files[INDEX], files.__getitem__).rows) == len(rows)


def test_no_error_tells_one() -> None:
    """Not even of words that are cut, nor of a list of processes, which is in base64."""
    error = HostError(f"cannot open x://me:{SECRET}@h", hint=f"data={SECRET}")
    with pytest.raises(UnreadableError) as unreadable:
        parse_processes(base64.b64encode(SECRET.encode()).decode())

    assert (str(error), error.hint) == ("cannot open x://me:***@h", "data=***")
    assert str(unreadable.value) == "cannot read the list of processes: 12 characters"
    assert "***" in Result("hv", ("qemu", "-append", SECRET), 1, "", "").words()
    assert shell("x", "-append", SECRET).argv[-1] == SECRET  # what runs has it, of course


def test_a_difference_in_a_secret_is_told_without_it() -> None:
    domain = "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><os><cmdline>{}</cmdline></os></domain>"

    [told] = without_secrets(changed_by_hand, domain.format("a"), domain.format(SECRET))

    assert (told.path, told.was, told.now) == ("os/cmdline", "***", "***")


def test_a_diff_of_definitions_shows_none_around_what_changes() -> None:
    domain = "<domain><devices><graphics passwd='{0}'/><x on='{1}'/></devices><secret>{0}</secret></domain>"

    lines = "\n".join(unified(domain.format(SECRET, "a"), domain.format(SECRET, "b")))

    assert "on=" in lines
    assert "***" in lines
    assert SECRET not in lines


def test_an_argument_that_no_kernel_hands_on_says_nothing() -> None:
    assert properties("tap,id=a" + ",x=y" * 40_000, "type") == {}


TRACED = """
import sys
from provision.cli import main
sys.argv = ["rscvm", "validate", sys.argv[1]]
main()
"""


def test_no_traceback_tells_what_a_lab_file_or_an_error_has(tmp_path: Path) -> None:
    ask = "[{winrm: {address: a, user: u, password: pl4nted}}]"
    lab = "version: 1\nhosts: {local: {libvirt: 'qemu+tcp://me:pl4nted@h/system'}}\nmachines:\n"
    lab += f"  vm: {{guest: linux, memory: 1GiB, nics: [], ask: {ask}}}\n"
    for text in (lab, lab + "x: [password=pl4nted"):
        (tmp_path / "lab.yaml").write_text(text)

        done = subprocess.run(
            [sys.executable, "-c", TRACED, str(tmp_path / "lab.yaml")],
            env={**os.environ, "RSCVM_DEBUG": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert "Traceback" in done.stderr
        assert SECRET not in done.stderr


def test_what_a_program_says_of_its_own_arguments_is_masked() -> None:
    said = "+ nc --password pl4nted -x y\nProxy-Authorization: Basic cGw0bnRlZA=="

    assert masked_text(said) == "+ nc --password *** -x y\nProxy-Authorization: Basic ***"

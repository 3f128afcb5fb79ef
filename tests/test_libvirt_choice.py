"""Which libvirts and domains a command line means: libvirt's own choice, several, and names that are nobody's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from provision.cli import run
from provision.runtime.near_names import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

NODE = """<node><cpu><mhz>1</mhz><model>x</model><active>1</active><nodes>1</nodes><sockets>1</sockets><cores>1</cores>
<threads>1</threads></cpu><memory>1000</memory>{}</node>"""
DOMAIN = """<domain type='test'><name>{0}</name><memory>4096</memory><os><type arch='x86_64'>hvm</type></os><devices>
<interface type='bridge'><source bridge='br0'/><target dev='{0}0'/><model type='virtio'/></interface></devices></domain>"""


@pytest.fixture
def uris(tmp_path: Path) -> tuple[str, str]:
    """Two libvirts of the library's test driver, each with a domain that the other has not."""
    for name in ("mail", "web"):
        (tmp_path / f"{name}.xml").write_text(
            NODE.format(DOMAIN.format(f"{name}-2022") + DOMAIN.format("both"))
        )
    return f"test://{tmp_path}/mail.xml", f"test://{tmp_path}/web.xml"


@pytest.fixture
def chosen(uris: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What libvirt chooses itself."""
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", uris[0])
    return uris[0]


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    """The exit status of `check`, the machines that it tells of, by their names, and what it says."""
    status = run(["check", "--no-monitor", "--json", *words])
    said = capsys.readouterr()
    return status, sorted(nic["machine"] for nic in json.loads(said.out).get("nics", [])), said.err


def test_several_libvirts_are_looked_at_as_one(
    uris: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    both = [word for uri in uris for word in ("--connect", uri)]

    assert checked(capsys, *both)[1] == ["both", "both", "mail-2022", "web-2022"]
    assert checked(capsys, *both, "web-2022", "mail-2022")[1] == ["mail-2022", "web-2022"]
    assert checked(capsys, *both, "both")[1] == ["both", "both"]
    status, _, said = checked(capsys, *both, "web-2022", "nobody")
    assert (status, f"no domain nobody at {uris[0]}, {uris[1]}" in said) == (2, True)
    assert checked(capsys, *both, *both[:2])[0] == 2
    assert checked(capsys, *both, "--save", "x")[0] == 2
    assert checked(capsys, *both, "--host", "ssh://h")[0] == 2


def test_a_libvirt_of_several_that_cannot_be_asked_hides_no_other(
    uris: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    gone = "qemu+unix:///system?socket=/nowhere"

    status = run(["check", "--no-monitor", "--json", "--connect", gone, "--connect", uris[1], "web-2022"])
    document = json.loads(capsys.readouterr().out)

    assert status == 3
    assert [nic["machine"] for nic in document["nics"]] == ["web-2022"]
    assert [error["message"].partition(":")[0] for error in document["errors"]] == [
        "libvirt does not answer at qemu+unix"
    ]


def test_several_domains_are_fixed_wherever_they_are(
    uris: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    both = [word for uri in uris for word in ("--connect", uri)]

    run(["fix", "--dry-run", "--json", *both, "both", "web-2022"])
    document = json.loads(capsys.readouterr().out)

    assert [nic["machine"] for nic in document["nics"]] == ["both", "both", "web-2022"]
    assert run(["fix", "--dry-run", "--connect", uris[0], "mail-2022", "both"]) == 4
    assert capsys.readouterr().out
    assert run(["fix", "--dry-run", *both, "nobody"]) == 2
    assert run(["fix", "--dry-run", "--connect", uris[0], "both", "nobody"]) == 2
    assert capsys.readouterr().out == "", "nothing is done where one of them is not there"
    assert run(["fix", *both, "--host", "ssh://h", "both"]) == 2


@pytest.mark.parametrize("command", ["check", "fix", "bench", "import"])
def test_one_that_is_mistyped_is_told_the_nearest(
    command: str, uris: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--connect", uris[0], "Mail2022"]) == 2

    said = capsys.readouterr().err
    assert said == (
        f"rscvm: no domain Mail2022 at {uris[0]}\n"
        f"hint: did you mean mail-2022? `virsh --connect {uris[0]} list --all` lists them\n"
    )


@pytest.mark.parametrize("command", ["check", "fix", "bench"])
def test_a_domain_in_place_of_a_lab_file_is_told_the_command_that_was_meant(
    command: str, chosen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "mail-2022"]) == 2
    assert capsys.readouterr().err == (
        "rscvm: there is no lab file mail-2022\n"
        f"hint: it is a domain at {chosen}: `rscvm {command} --connect {chosen} mail-2022`\n"
    )

    assert run([command, "mail-2020"]) == 2
    assert capsys.readouterr().err.splitlines()[1] == (
        f"hint: did you mean mail-2022? `rscvm {command} --connect {chosen} mail-2022`"
    )
    assert run([command, "zebra"]) == 2
    assert capsys.readouterr().err.endswith(f"hint: nor is there a domain of that name at {chosen}\n")


def test_a_file_that_is_mistyped_is_told_the_nearest_and_no_libvirt_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+ssh://nowhere.invalid/system")
    (tmp_path / "hlk-rsc.yaml").touch()

    assert run(["check", str(tmp_path / "hlkrsc.yaml")]) == 2
    assert capsys.readouterr().err.endswith("hint: did you mean hlk-rsc.yaml?\n")
    for name in ("/nowhere/lab.yaml", f"{tmp_path}/zebra", "zebra.yml"):
        assert run(["check", name]) == 2
        assert capsys.readouterr().err == f"rscvm: there is no lab file {name}\n"


@pytest.mark.usefixtures("chosen")
def test_import_takes_libvirts_own_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-q", "import", "mail-2022"]) == 0
    assert capsys.readouterr().out.startswith("# Domain mail-2022 at test://")


def test_fix_of_nothing_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--connect", "test:///default"]):
        assert run(["fix", *words]) == 2
        assert "`rscvm fix --connect URI DOMAIN`" in capsys.readouterr().err


def test_only_what_is_alike_is_suggested_and_never_what_steers_a_terminal() -> None:
    assert did_you_mean("win2022", ["WIN-2022", "mail"]) == "did you mean WIN-2022? "
    assert did_you_mean("vm1", ["vm2", "vm3"]) == "did you mean vm3 or vm2? "
    assert did_you_mean("zebra", ["mail", "web"]) == ""
    assert did_you_mean("vm", ["vm\x1b[2J"]) == r"did you mean vm\x1b[2J? "
    assert did_you_mean("x", []) == ""

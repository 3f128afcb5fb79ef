"""What is asked of a host's NICs, and what the answers come to; the one script that decides is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.facts.link_file import parse_link_options
from provision.host.read.nics import SCRIPTS, NicQuestions
from provision.runtime.errors import CommandError
from tests.nics import (
    MAC,
    NM_EXTERNALLY,
    NM_LEAVES,
    NM_OWNS,
    UUID,
    captured_coalesce,
    composed_coalesce,
    failed,
    found,
    lab_with,
)

LAB = lab_with("{coalesce: {rx-usecs: 3}, persist: link}")


def test_captured_answers_come_to_facts() -> None:
    nic = found(LAB).nics["eth0"]

    assert nic.features is not None
    assert nic.features["generic-receive-offload"].active
    assert nic.coalesce == {"rx-usecs": 3}
    assert (nic.permanent_mac, nic.systemd, nic.connection, nic.trouble) == (MAC, 252, "", "")


def test_only_what_the_lab_file_needs_is_asked() -> None:
    def asked(settings: str) -> list[str]:
        return [
            " ".join(question.run.argv[:3])
            for question in NicQuestions(lab_with(settings), "hv").questions
            if question.run.argv[0] != "sh"
        ]

    assert asked("{}") == ["ethtool --json -k"]
    assert asked("{coalesce: {rx-usecs: 3}}") == ["ethtool --json -k", "ethtool -c eth0", "ethtool --json -c"]
    assert asked("{persist: link}") == ["ethtool --json -k", "ethtool -P eth0"]


def test_coalescing_is_read_from_the_json_where_the_text_cannot_be() -> None:
    document = '[{"ifname": "eth0", "rx-usecs": 3, "adaptive-rx": true}]'

    nic = found(LAB, coalesce="Coalesce parameters for eth0:\nsurprise\n", coalesce_json=document).nics[
        "eth0"
    ]

    assert nic.coalesce == {"rx-usecs": 3, "adaptive-rx": True}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (failed("netlink error: Operation not supported\n"), "netlink error: Operation not supported"),
        ("", "cannot read ethtool's coalescing: ''"),
        (captured_coalesce()[:100], "cannot read ethtool's coalescing"),
        (composed_coalesce()[:-1], "cannot read ethtool's coalescing"),
    ],
    ids=["none", "nothing", "half of it", "cut off at the end"],
)
def test_coalescing_that_cannot_be_read_is_none_and_says_why(text: str, words: str) -> None:
    nic = found(LAB, coalesce=text).nics["eth0"]

    assert nic.coalesce is None
    assert words in nic.trouble


@pytest.mark.parametrize(
    ("owner", "connection"),
    [(NM_OWNS, UUID), (NM_EXTERNALLY, ""), (NM_LEAVES, ""), ("", "")],
    ids=["its own", "externally", "unmanaged", "no NetworkManager"],
)
def test_whose_a_nic_is(owner: str, connection: str) -> None:
    assert found(LAB, owner=f"{owner}252\n").nics["eth0"].connection == connection


def test_a_host_without_udev_has_no_version_of_systemd() -> None:
    assert found(LAB, owner="").nics["eth0"].systemd is None


@pytest.mark.parametrize("said", ["Permanent address: not set\n", "Permanent address: 52:54\n", "", "?"])
def test_a_permanent_address_that_is_none(said: str) -> None:
    assert found(LAB, permanent=said).nics["eth0"].permanent_mac == ""


def link(path: Path) -> str:
    done = subprocess.run(
        ["sh", "-c", SCRIPTS["link"], "sh", str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_whatever_lies_at_a_link_files_path_is_seen(tmp_path: Path) -> None:
    """systemd takes an empty file, and one that leads to /dev/null, for a mask: not nothing."""
    files = {name: tmp_path / name for name in ("none", "empty", "mask", "dangling", "whole")}
    files["empty"].touch()
    files["mask"].symlink_to("/dev/null")
    files["dangling"].symlink_to(tmp_path / "nowhere")
    files["whole"].write_text("[Match]\n")

    assert {name: link(path) for name, path in files.items()} == {
        "none": "",
        "empty": "# an empty file\n",
        "mask": "# a link to /dev/null\n",
        "dangling": f"# a link to {tmp_path / 'nowhere'}\n",
        "whole": "[Match]\n",
    }


def test_a_link_file_that_cannot_be_read_is_not_taken_for_none() -> None:
    with pytest.raises(CommandError, match="Permission denied"):
        found(LAB, link=failed("cat: Permission denied"))


@pytest.mark.parametrize(
    ("said", "version"), [("252", 252), ("257.7", 257), ("258~rc1-2.fc43", 258), ("v252", None)]
)
def test_a_version_of_systemd_is_its_leading_number(said: str, version: int | None) -> None:
    assert found(LAB, owner=f"{NM_OWNS}{said}\n").nics["eth0"].systemd == version


def test_what_names_a_nic_is_told_with_its_path_and_its_drop_ins_wherever_they_are(tmp_path: Path) -> None:
    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    drop_ins = "systemd/network/99-default.link.d"
    write("usr/lib/systemd/network/99-default.link", "[Link]\nMTUBytes=1\n")
    write(f"usr/lib/{drop_ins}/b.conf", "[Link]\nMTUBytes=4\n")
    write(f"run/{drop_ins}/a b.conf", "[Link]\nMTUBytes=3\n")
    write(f"usr/lib/{drop_ins}/a b.conf", "[Link]\nMTUBytes=9\n")
    write(f"etc/{drop_ins}/a.conf", "[Link]\nMTUBytes=2\n")

    done = subprocess.run(
        ["sh", "-c", SCRIPTS["naming"], "sh", "no such device", str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.startswith(f"# {tmp_path}/usr/lib/systemd/network/99-default.link\n")
    assert parse_link_options(done.stdout) == tuple(("MTUBytes", str(n)) for n in (1, 3, 2, 4))

"""Completion: what a shell is told, also by a real bash, and that nothing else reaches its screen."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from provision.cli import rscvm, run
from provision.cli.bash_words import whole_words
from provision.cli.completion import VARIABLE
from provision.verify.judge.causes.catalogue import CATALOGUE
from tests.typed import bash_with_completion

ROOT = Path(__file__).parent.parent
LAB = """version: 1
hosts: {hv1: {address: hv1}, hv2: {address: hv2}}
machines:
  web: {host: hv1, guest: linux, memory: 1GiB, nics: [{bridge: br0, name: front}, {bridge: br0, name: back}]}
  db: {host: hv2, guest: linux, memory: 1GiB}
"""
DOMAINS = "".join(
    f"<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    for name in ("win-1", "win-2", "old", "win$(id)", "win 3", "*")
)

NO_ROOT = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
"""Root has no libvirt of its own."""


@pytest.fixture
def lab(tmp_path: Path) -> str:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB)
    return str(path)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A libvirt of its own, whose domains have these names."""
    path = tmp_path / "node.xml"
    path.write_text(f"<node>{DOMAINS}</node>")
    return f"test://{path}"


def completed(*words: str) -> list[str]:
    """The words that can stand for the last, and `FILE` where files can."""
    *before, begun = words
    found = ShellComplete(rscvm, {}, "rscvm", VARIABLE).get_completions(before, begun)
    return ["FILE" if item.type == "file" else item.value for item in found]


def asked(line: str, *before: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What the script for bash would be answered at the end of a line that has no quotes, run by what stands before."""
    pieces = line.replace(":", " : ").split(" ")
    env = {
        **os.environ,
        VARIABLE: "bash_complete",
        "COMP_WORDS": " ".join(pieces),
        "COMP_CWORD": str(len(pieces) - 1),
    }
    return subprocess.run(
        [*before, sys.executable, "-m", "provision"],
        env={**env, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_machines_hosts_and_nics_are_those_of_the_lab_that_was_named(lab: str) -> None:
    assert completed("up", lab, "") == ["web", "db", "hv1", "hv2"]
    assert completed("up", lab, "w") == ["web"]
    assert completed("down", lab, "web", "d") == ["db"]
    assert completed("down", lab, "web", "w") == []
    assert completed("check", lab, "w") == ["web"]
    assert completed("render", lab, "d") == ["db"]
    assert completed("apply", lab, "hv1", "") == ["hv2"]
    assert completed("doctor", "-f", lab, "") == ["hv1", "hv2"]
    assert completed("bench", lab, "web", "--sender", "") == ["hv1", "hv2"]
    assert completed("bench", lab, "web", "--nic", "f") == ["front"]
    assert completed("hck", "enforce", lab, "d") == ["db"]


def test_domains_are_those_of_the_uri_that_was_named(uri: str) -> None:
    assert completed("check", "--connect", uri, "win-") == ["win-1", "win-2"]
    assert completed("check", "--connect", uri, "win-1", "win-") == ["win-2"]
    assert completed("fix", "--connect", uri, "win-2") == ["win-2"]
    assert completed("import", "--connect", uri, "win-1") == ["win-1"]
    assert completed("bench", "--connect", uri, "win-1") == ["win-1"]


def test_a_name_that_a_shell_would_read_something_into_is_left_out(uri: str) -> None:
    """It would be typed as it is, and run at the next Enter."""
    assert completed("check", "--connect", uri, "") == ["old", "win-1", "win-2"]


def test_causes_topics_examples_uris_and_files_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///own")

    assert {cause.id for cause in CATALOGUE} | {"hck", "issues", "WFPCompatibility"} <= {
        *completed("explain", "")
    }
    assert completed("explain", "tap-off") == ["tap-offloads"]
    assert completed("examples", "win") == ["windows"]
    assert completed("check", "--connect", "") == ["qemu:///own", "qemu:///system", "qemu:///session"]
    assert completed("check", "") == completed("up", "") == completed("check", "--html", "") == ["FILE"]
    assert completed("comp") == ["completion"]


def test_what_is_no_lab_file_completes_to_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nmachines: {vm: {guest: macos}}\n")

    for path in (broken, tmp_path, tmp_path / "missing.yaml", "/dev/zero"):
        assert completed("up", str(path), "") == []


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (
            ["check", "--connect", "qemu", ":", "///system", "vm"],
            ["check", "--connect", "qemu:///system", "vm"],
        ),
        (["fix", "--connect", "=", "qemu", ":", ""], ["fix", "--connect=qemu:"]),
        (["--host", "ssh", ":", "//root", "@", "hv", ":", "22"], ["--host", "ssh://root@hv:22"]),
        (["--host", "ssh", ":", "//root", "@:", "22", "a"], ["--host", "ssh://root@:22", "a"]),
        (["check", ""], ["check", ""]),
    ],
)
def test_words_that_bash_has_cut_are_whole_again(pieces: list[str], words: list[str]) -> None:
    assert whole_words(pieces) == words


def test_bash_is_handed_what_stands_after_the_last_cut_and_nothing_on_stderr(uri: str) -> None:
    assert asked("rscvm check --connect qemu:///se").stdout == "plain,///session\n"
    done = asked(f"rscvm check --connect {uri} win-2")

    assert (done.stdout, done.stderr, done.returncode) == ("plain,win-2\n", "", 0)


def test_a_libvirt_that_is_not_there_or_does_not_answer_completes_to_nothing_and_says_nothing(
    tmp_path: Path,
) -> None:
    place = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen()
        for socket_path in (place, tmp_path / "missing"):
            done = asked(f"rscvm import --connect qemu+unix:///system?socket={socket_path} ")
            assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


def test_no_users_own_libvirtd_is_started_by_tab(tmp_path: Path) -> None:
    homes = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(tmp_path))
    asked("rscvm import --connect qemu:///session ", *NO_ROOT, **homes)

    assert not list(tmp_path.rglob("*sock*"))


def test_whatever_goes_wrong_the_screen_stays_the_shells() -> None:
    done = asked("rscvm up lab.yaml ", COMP_CWORD="no number", RSCVM_DEBUG="1")
    assert (done.stdout, done.stderr) == ("", "")
    assert asked("rscvm ", **{VARIABLE: "nonsense"}).stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_by_the_variable_that_is_listened_to(
    shell: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    said = capfd.readouterr()

    assert f"{VARIABLE}={shell}_complete" in said.out
    assert said.err == ""


def test_a_real_bash_completes_words_with_and_without_cuts_and_files(
    tmp_path: Path, lab: str, uri: str
) -> None:
    with bash_with_completion(tmp_path) as bash:
        assert bash.tab("rscvm expl") == ["rscvm", "explain"]
        assert bash.tab("rscvm check --obs") == ["rscvm", "check", "--observe"]
        assert bash.tab("rscvm check --connect qemu:///sy") == [
            "rscvm",
            "check",
            "--connect",
            "qemu:///system",
        ]
        assert bash.tab("rscvm check --connect=qemu:///se") == ["rscvm", "check", "--connect=qemu:///session"]
        assert bash.tab(f"rscvm fix --connect {uri} ol") == ["rscvm", "fix", "--connect", uri, "old"]
        assert bash.tab(f"rscvm up {lab} we") == ["rscvm", "up", lab, "web"]
        assert bash.tab("rscvm validate la") == ["rscvm", "validate", "lab.yaml"]
        assert bash.tab("rscvm up missing.yaml we") == ["rscvm", "up", "missing.yaml", "we"]

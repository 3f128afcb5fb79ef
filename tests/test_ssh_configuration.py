"""What `ssh -G` prints is read as `ssh` means it, and not for ever."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from provision.edges.ssh.configuration import agent, all_jumps, ask, files, jump, path, read, tokens


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_a_program_that_says_too_much_is_ended(stream: str) -> None:
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        ask(("sh", "-c", f"exec yes{stream}"), 60)


@pytest.mark.parametrize("script", ["sleep 987", "sleep 987 & exit", "exec >&- 2>&-; sleep 987"])
def test_a_program_that_does_not_end_is_ended_with_what_it_has_started(tmp_path: Path, script: str) -> None:
    with pytest.raises(TimeoutError):
        ask(("sh", "-c", f"echo $$ >{tmp_path}/group; {script}"), 0.3)

    group = (tmp_path / "group").read_text().strip()
    deadline = time.monotonic() + 10
    while left := subprocess.run(
        ["pgrep", "-r", "R,S,D", "-g", group], capture_output=True, text=True, check=False
    ).stdout:
        assert time.monotonic() < deadline, left


def test_what_a_program_says_is_told_with_its_status() -> None:
    assert ask(("sh", "-c", "cat; echo a; echo b >&2; exit 3"), 60) == (3, "a\n", "b\n")


def test_tokens_and_variables_of_a_path_are_replaced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "%h")
    said = read("hostname hv.example\nport 2222\nuser u%r\nproxyjump a,b@[::1]:33\nhostkeyalias k\n")
    replacing = tokens(said, "hv")

    assert path("%d/%%h-%h-%p-%r-%n-%k-%j-%x", replacing).endswith("/%h-hv.example-2222-u%r-hv-k-::1-%x")
    assert path("/a/${WHERE}/${NO_SUCH_VARIABLE}b", replacing) == "/a/%h/b"
    assert path("~no-such-user/a", replacing) == "~no-such-user/a"
    assert path("%i", replacing) == str(os.getuid())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], "/run/default"),
        (["SSH_AUTH_SOCK"], "/run/default"),
        (["$OTHER"], "/run/other"),
        (["$NO_SUCH_VARIABLE"], ""),
        (["none"], ""),
        (["/run/a b"], "/run/a b"),
    ],
)
def test_the_agent_is_the_one_that_the_configuration_names(
    monkeypatch: pytest.MonkeyPatch, said: list[str], expected: str
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/default")
    monkeypatch.setenv("OTHER", "/run/other")

    assert agent(said) == expected


def test_no_file_is_none() -> None:
    assert files(["", "none", "/a ~/b"]) == ("/a", "~/b")


def test_each_of_several_jumps_has_our_options() -> None:
    """`ssh -J` hands none on: a jump's own block of the configuration could then let any key pass."""
    assert jump("", (), "hv", 22) == ""
    whole = jump("a,u@b:33,c", ("X=y",), "hv", 2222)
    words = shlex.split(whole)
    replaced = {"%h": "c", "%p": "22", "%%": "%"}
    inner = shlex.split(
        re.sub("%[%hp]", lambda found: replaced[found[0]], words[4].removeprefix("ProxyCommand="))
    )

    assert [words[:3], words[5:]] == [["ssh", "-o", "X=y"], ["-W", "[hv]:2222", "ssh://c"]]
    assert [inner[:3], inner[5:]] == [["ssh", "-o", "X=y"], ["-W", "[c]:22", "ssh://u@b:33"]]
    assert shlex.split(inner[4].removeprefix("ProxyCommand=")) == [
        "ssh",
        "-o",
        "X=y",
        "-W",
        "[%h]:%p",
        "ssh://a",
    ]


def test_jumps_that_lead_on_for_ever_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 8 jumps"):
        all_jumps("a", lambda _: {"proxyjump": ["a"]})
    assert all_jumps("b,c", lambda host: {"proxyjump": ["a" if host == "b" else "none"]}) == "a,b,c"

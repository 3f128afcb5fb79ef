"""-v shows every command in a line of its own, and a script by what it is for."""

from __future__ import annotations

import shlex

import pytest

from provision.edges.local import local_host
from provision.edges.traced import traced
from provision.runtime.command import shell
from provision.verbs.bench.switch import SCRIPTS

_SWITCH = SCRIPTS["switch a TAP's checksum"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (": who runs\nps\n", "who runs …"),
        ("\n# who runs\nps\n", "who runs …"),
        (_SWITCH, "switch a TAP's checksum …"),
        ("\nps\nls", "ps …"),
        ("ps; ls", "ps; ls"),
    ],
)
def test_a_script_is_told_by_what_it_is_for_with_its_arguments(
    script: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RSCVM_DEBUG", raising=False)
    argv = shell(script, "a b", "").argv

    assert traced(argv) == f"+ sh -c {shlex.quote(told)} sh 'a b' ''"
    monkeypatch.setenv("RSCVM_DEBUG", "1")
    assert traced(argv) == f"+ {shlex.join(argv)}"


def test_a_secret_is_told_in_no_form(monkeypatch: pytest.MonkeyPatch) -> None:
    for debug in "01":
        monkeypatch.setenv("RSCVM_DEBUG", debug)
        assert "hunter2" not in traced(("sh", "-c", "password=hunter2\nls", "sh", "password=hunter2"))


def test_a_host_tells_each_command_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RSCVM_DEBUG", raising=False)
    said: list[str] = []
    host = local_host(said.append)
    host.run_all([shell(": say it\necho it\n"), shell("true")])
    host.close()

    assert said == ["+ sh -c 'say it …' sh", "+ sh -c true sh"]

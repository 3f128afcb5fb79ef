"""An ordinary user and sudo: one sudo a shell, what hangs is ended as root, and a refusal names the line that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.runtime.places import Target
from tests.real.remote import REMOTE, Site, remote_site, run, runs

ALLOWED = "alice ALL=(root) NOPASSWD: /usr/bin/sh"
GOOD_AS_ROOT = "(this makes alice as good as root)"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as made:
        made.start_sshd(port=2222, user="alice")
        made.knows(f"[{REMOTE}]:2222")
        yield made


def alice(site: Site) -> Target:
    return site.as_user("alice", port=2222, sudo=True)


def allow(site: Site, *lines: str) -> None:
    site.remote.path("/etc/sudoers.d/rscvm").write_text("\n".join((*lines, "")))
    site.remote.output(["sh", "-ec", "chmod 0440 /etc/sudoers.d/rscvm; visudo -c -q"])


@pytest.mark.parametrize(
    "defaults", ["", "Defaults use_pty", "Defaults use_pty,log_output", "Defaults !env_reset"]
)
def test_commands_run_as_root_by_one_sudo_a_shell(site: Site, defaults: str, tmp_path: Path) -> None:
    """Also where sudo runs what it runs in a terminal, and session, of its own."""
    allow(site, defaults, ALLOWED)
    none_left = "for i in $(seq 100); do pgrep -x sleep >/dev/null || exit 0; sleep 0.1; done; exit 1"
    hold = ["sh", "-c", "echo held; sh; echo gone >/run/gone"]

    batch, held, slow, left = site.ask(
        runs([("id", "-un"), ("sh", "-c", 'echo "$PATH $LC_ALL" >&2'), ("cat",)], stdin="é\0\n"),
        {**run("id", "-u"), "hold": hold},
        runs([("echo", "known"), ("sh", "-c", "sleep 1000 & sleep 1001")], timeout=1),
        run("sh", "-c", none_left),
        target=alice(site),
    )

    assert [r["out"] for r in batch["results"]] == ["root\n", "", "é\n"]
    assert batch["results"][1]["err"].endswith(":/usr/local/sbin:/usr/sbin:/sbin C.UTF-8\n")
    assert [r["out"] for r in held["results"]] == ["held", "0\n"]
    assert site.remote.path("/run/gone").exists()
    assert slow["error"] == "DeadlineError"
    assert left["results"][0]["status"] == 0, "a sleeper was left"
    assert (tmp_path / "sshd_2222.log").read_text().count("Accepted publickey") == 1


@pytest.mark.parametrize("defaults", ["", "Defaults use_pty"])
def test_much_comes_whole_through_sudo(site: Site, defaults: str) -> None:
    allow(site, defaults, ALLOWED)
    fed = ("x" * 99 + "\n") * 30_000

    (answer,) = site.ask(runs([("cat",), ("sh", "-c", "seq 500000 >&2")], stdin=fed), target=alice(site))

    assert answer["results"][0]["out"] == fed
    assert answer["results"][1]["err"] == "".join(f"{n}\n" for n in range(1, 500_001))


@pytest.mark.parametrize(
    ("rule", "words", "line"),
    [
        ("", "sudo: a password is required", f"{ALLOWED} {GOOD_AS_ROOT}"),
        (
            "alice ALL=(root) NOPASSWD: /usr/bin/id",
            "sudo: a password is required",
            f"{ALLOWED} {GOOD_AS_ROOT}",
        ),
        (f"{ALLOWED}\nDefaults requiretty", "you must have a tty", "Defaults:alice !requiretty"),
    ],
)
def test_a_refusal_keeps_sudos_words_and_names_the_line_that_helps(
    site: Site, rule: str, words: str, line: str
) -> None:
    allow(site, rule)

    (refused,) = site.ask(run("true"), target=alice(site))

    assert refused["error"] == "HostError"
    assert words in refused["message"]
    assert refused["message"].startswith("sudo on hv refuses alice a shell: ")
    assert refused["hint"] == f"as root there, `visudo -f /etc/sudoers.d/rscvm`: {line}"
    allow(site, rule, line.removesuffix(GOOD_AS_ROOT))
    assert "results" in site.ask(run("true"), target=alice(site))[0]


def test_the_line_of_the_hint_is_the_one_that_helps(site: Site) -> None:
    (refused,) = site.ask(run("true"), target=alice(site))
    allow(site, refused["hint"].split("`: ")[1].split(" (this")[0])

    (allowed,) = site.ask(run("id", "-un"), target=alice(site))

    assert allowed["results"][0]["out"] == "root\n"


def test_a_host_without_sudo(site: Site) -> None:
    with site.remote.without("sudo"):
        (refused,) = site.ask(run("true"), target=alice(site))

    assert refused["message"] == "sudo not found on hv"
    assert "Debian: sudo" in refused["hint"]

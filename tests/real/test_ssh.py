"""A host over SSH answers as this machine does: whole, each its own, and what hangs is ended there too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.host.apply.lock import HOLD
from provision.runtime.places import Target
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.remote import CLIENT, REMOTE, Site, cable, key_pair, public, remote_site, run, runs

SECOND, SECOND_CLIENT = "198.51.100.2", "198.51.100.1"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as made:
        yield made


def sleepers(site: Site) -> list[tuple[str, ...]]:
    return [argv for argv in site.remote.processes().values() if argv[0] == "sleep"]


def test_each_answer_has_its_own_status_and_streams(site: Site) -> None:
    script = ("sh", "-c", "echo a; echo b >&2; exit 3")

    first, second, fed = site.ask(
        runs([script, ("no-such-program",), ("pwd",)]),
        runs([("true",), ("false",), ("touch", "/run/made")], until_failure=True),
        run("cat", stdin="fed"),
    )

    assert first["results"][0] == {"status": 3, "out": "a\n", "err": "b\n"}
    assert first["results"][1]["status"] == 127
    assert [r["status"] for r in second["results"]] == [0, 1]
    assert not site.remote.path("/run/made").exists()
    assert fed["results"] == [{"status": 0, "out": "fed", "err": ""}]


def test_it_is_the_remote_host_that_answers_with_a_path_to_ip_and_ethtool(site: Site) -> None:
    (answer,) = site.ask(runs([("ip", "-br", "addr", "show", "wire"), ("sh", "-c", 'echo "$PATH $LC_ALL"')]))

    assert REMOTE in answer["results"][0]["out"]
    path, locale = answer["results"][1]["out"].split()
    assert path.endswith(":/usr/local/sbin:/usr/sbin:/sbin")
    assert locale == "C.UTF-8"


def test_much_in_both_directions_comes_whole(site: Site) -> None:
    """More than SSH's window each way, and on both outputs at once."""
    much = "x" * 99 + "\n"
    fed = much * 50_000

    there, both = site.ask(run("md5sum", stdin=fed), run("sh", "-c", "seq 1500000; seq 1500000 >&2"))
    local = site.remote.run(["md5sum"], input=fed.encode())

    assert there["results"][0]["out"] == local.stdout.decode()
    numbers = "".join(f"{n}\n" for n in range(1, 1_500_001))
    assert len(numbers) > 10_000_000
    assert both["results"] == [{"status": 0, "out": numbers, "err": numbers}]


def test_bytes_that_are_no_text_do_not_break_the_frames(site: Site) -> None:
    script = r"head -c 3000000 /dev/urandom; printf '\0\377\n\n'; head -c 3000000 /dev/urandom >&2"

    (answer,) = site.ask(runs([("sh", "-c", script), ("echo", "next")]))

    assert len(answer["results"][0]["out"]) > 1_000_000
    assert answer["results"][1] == {"status": 0, "out": "next\n", "err": ""}


def test_words_arrive_as_they_are(site: Site) -> None:
    words = [
        "",
        " ",
        "a b",
        "$HOME",
        "`id`",
        "'",
        '"',
        "\\",
        "!!",
        "*",
        "-n",
        "\n",
        "ü€😀",
        "\t%s",
        "~",
        ";",
        "#",
    ]

    (answer,) = site.ask(run("sh", "-c", r'for w do printf "%s\0" "$w"; done', "sh", *words))

    assert answer["results"][0]["out"].split("\0")[:-1] == words


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/bin/csh"])
def test_any_login_shell_will_do_and_what_it_prints_is_not_the_answer(site: Site, shell: str) -> None:
    site.start_sshd(port=2222, user="alice", login=shell)
    noise = "echo noise; echo trouble >/dev/stderr\n"
    for name in (".bashrc", ".cshrc"):
        site.remote.path(f"/run/alice/{name}").write_text(noise)
    target = site.as_user("alice", port=2222)
    site.knows(f"[{REMOTE}]:2222")

    answers = site.ask(
        runs([("id", "-un"), ("sh", "-c", 'echo "$1" >&2', "sh", "it's !me\n\\")]),
        {**run("echo", "inside"), "hold": ["sh", "-c", "echo held; sh"]},
        target=target,
    )

    assert answers[0]["results"] == [
        {"status": 0, "out": "alice\n", "err": ""},
        {"status": 0, "out": "", "err": "it's !me\n\\\n"},
    ]
    assert [r["out"] for r in answers[1]["results"]] == ["held", "inside\n"]


def test_what_takes_too_long_is_ended_there_with_all_it_started(site: Site) -> None:
    script = "sleep 1000 & sh -c 'sleep 1001; true'; true"

    slow, again = site.ask(
        runs([("echo", "known"), ("sh", "-c", script)], timeout=1), run("pgrep", "-x", "sleep")
    )

    assert slow["error"] == "DeadlineError"
    assert "sh on hv did not end within 1 s" in slow["message"]
    assert [r["out"] for r in slow["known"]] == ["known\n"]
    assert again["results"][0]["status"] == 1, "a sleeper was left"


def test_what_is_held_is_let_go_after_the_last_command_and_by_a_killed_client(site: Site) -> None:
    lock = "/run/lab/lock"
    hold = ["sh", "-c", HOLD, "sh", lock, "the holder"]

    inside, outside = site.ask({**run("cat", lock), "hold": hold}, run("ls", "/run"))

    assert [r["out"] for r in inside["results"]] == ["held", "the holder\n"]
    assert "lab" not in outside["results"][0]["out"].split()

    waiting = threading.Thread(target=_asked_and_killed, args=(site, {**run("sleep", "1000"), "hold": hold}))
    waiting.start()
    wait_for(lambda: sleepers(site), time.monotonic() + 20, "the holder at work")
    (busy,) = site.ask({**run("true"), "hold": hold})
    assert busy["results"][0]["status"] == 75
    assert busy["results"][0]["out"] == "the holder\n"
    for pid, argv in site.client.processes().items():
        if "driver.py" in " ".join(argv):
            site.client.output(["sh", "-c", f"kill -9 {pid}"])
    waiting.join()
    site.remote.output(["pkill", "-x", "sleep"])
    wait_for(lambda: not site.remote.path(lock).exists(), time.monotonic() + 10, "the lock's end")


def _asked_and_killed(site: Site, step: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        site.ask(step)


def test_two_hosts_are_kept_apart(site: Site, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with Hypervisor() as other, cable(site.client, other, SECOND_CLIENT, SECOND, "wire2"):
        second = replace(site, remote=other, at=tmp_path / "second", sshd={})
        for name in ("id", "id.pub"):
            (second.at / name).write_bytes((tmp_path / name).read_bytes())
        key_pair(second.at / "host_key")
        second.start_sshd()
        site.knows(SECOND, public(second.at / "host_key"))
        to_second = replace(site.target, name="other", address=SECOND)
        for host, name in ((site.remote, "one"), (other, "two")):
            host.output(["hostname", name])

        answers = site.ask(
            *(run("hostname", host=name) for name in ("hv", "other", "here", "other", "hv")),
            other=to_second,
            here=Target("here"),
        )
        second.stop()

    here = site.client.output(["hostname"])
    assert [a["results"][0]["out"] for a in answers] == ["one\n", "two\n", here, "two\n", "one\n"]
    accepted = (tmp_path / "sshd_22.log").read_text()
    assert accepted.count(f"Accepted publickey for root from {CLIENT}") == 1, "one connection a host"


CONFIGS = {
    "alias": "Host box\n  HostName {remote}\n  Port 2222\n  User alice\n  IdentityFile {id}\n  UserKnownHostsFile {known}\n",
    "key alias": "Host box\n HostName {remote}\n Port 2222\n User alice\n IdentityFile {id}\n"
    " HostKeyAlias nick\n UserKnownHostsFile {known}\n",
    "command": "Host box\n HostName {remote}\n Port 2222\n HostKeyAlias nick\n User alice\n IdentityFile {id}\n"
    " UserKnownHostsFile {known}\n ProxyCommand sh -c 'test %n%% = box%% -a %r = alice && exec socat - TCP:%h:%p'\n",
    "jump": "Host box\n HostName 127.0.0.1\n Port 2222\n User alice\n IdentityFile {id}\n HostKeyAlias nick\n"
    " UserKnownHostsFile {known}\n ProxyJump hop\nHost hop\n HostName {remote}\n User root\n IdentityFile {id}\n"
    " UserKnownHostsFile {known}\n",
    "included": "Include included\nHost *\n UserKnownHostsFile {known}\n",
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_users_ssh_configuration_leads_there(site: Site, kind: str, tmp_path: Path) -> None:
    site.start_sshd(port=2222, user="alice")
    site.knows(f"[{REMOTE}]:2222")
    site.knows("nick")
    values = {"remote": REMOTE, "id": tmp_path / "id", "known": tmp_path / "known_hosts"}
    site.configure(CONFIGS[kind].format(**values), CONFIGS["alias"].format(**values))

    (answer,) = site.ask(run("id", "-un"), target=Target("hv", "box"))

    assert answer.get("results") == [{"status": 0, "out": "alice\n", "err": ""}], answer


def test_the_lab_file_overrides_the_ssh_configuration(site: Site) -> None:
    site.configure(
        f"Host box\n HostName {REMOTE}\n Port 1\n User nobody\n IdentityFile /none\n UserKnownHostsFile /none\n"
    )

    (answer,) = site.ask(run("id", "-un"), target=replace(site.target, address="box", port=22, user="root"))

    assert answer["results"][0]["out"] == "root\n"

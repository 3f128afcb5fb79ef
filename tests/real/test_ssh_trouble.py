"""Every way in which SSH fails is told apart, in time, and with what to do."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.runtime.places import Target
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, remote_site, run, runs


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as made:
        yield made


UNREACHABLE = {
    "203.0.113.9": "cannot be reached: Network is unreachable",
    "nowhere.invalid": "no address of nowhere.invalid is known",
    "198.51.100.9": "does not answer within 10 s",
}


@pytest.mark.parametrize("address", UNREACHABLE)
def test_a_host_that_cannot_be_reached(site: Site, address: str) -> None:
    """The last is a neighbour who takes packets and says nothing."""
    site.client.output(["ip", "route", "add", "198.51.100.0/24", "via", REMOTE])
    site.remote.output(["ip", "route", "add", "blackhole", "198.51.100.0/24"])

    assert UNREACHABLE[address] in site.failure(replace(site.target, address=address))["message"]


def test_a_closed_port_and_one_that_is_no_sshds(site: Site) -> None:
    listener = "import socket,time; s=socket.create_server(('', 23)); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [*site.remote.entering(), "python3", "-c", listener], stdout=subprocess.PIPE, start_new_session=True
    ) as silent:
        assert silent.stdout is not None
        silent.stdout.readline()
        closed = site.failure(replace(site.target, port=2222))
        mute = site.failure(replace(site.target, port=23))
        site.remote.output(["pkill", "-f", "create_server"])

    assert closed["message"] == f"host hv: {REMOTE} port 2222 refuses connections"
    assert f"{REMOTE} port 23 did not answer as an SSH server" in mute["message"]


def test_a_proxy_that_fails_says_so_in_its_own_words(site: Site) -> None:
    site.configure("Host box\n ProxyCommand echo no way >&2; false\n")

    refused = site.failure(replace(site.target, address="box"))

    assert "through `echo`, is not reached: no way" in refused["message"]


def test_whoever_says_too_much_before_it_is_known_is_cut_short(site: Site) -> None:
    """A proxy on either stream, and a login on either; each goes on for ever."""
    site.start_sshd(port=2222, user="alice", login="/bin/bash")
    site.remote.path("/run/alice/.bashrc").write_text("[ -e noise ] && yes || yes >&2")
    site.knows(f"[{REMOTE}]:2222")
    site.configure(
        "Host greeting\n ProxyCommand yes secret\n"
        "Host complaint\n ProxyCommand sh -c 'yes x | head -c 9000000 >&2; echo no way >&2' secret\n"
    )
    alice = site.as_user("alice", port=2222)
    targets = {name: replace(site.target, name=name, address=name) for name in ("greeting", "complaint")}

    greeting, complaint, noise, _, more = site.driver(
        {**targets, "alice": alice, "hv": site.target},
        [
            run("true", host="greeting"),
            run("true", host="complaint"),
            run("true", host="alice"),
            run("touch", "/run/alice/noise"),
            run("true", host="alice"),
        ],
    )

    for answer, through in ((greeting, "`yes`"), (complaint, "`sh`")):
        assert f"through {through}, " in answer["message"]
        assert "secret" not in answer["message"].split(f"{through}, ")[0]
    assert complaint["message"].endswith("no way")
    for answer in (noise, more):
        assert "says more than 64 KiB of its own" in answer["message"]
    assert all(len(answer["message"]) < 3000 for answer in (greeting, complaint, noise, more))


def test_a_configuration_that_ssh_cannot_read(site: Site) -> None:
    site.configure("Nonsense yes\n")

    refused = site.failure()

    assert "ssh cannot read its configuration" in refused["message"]
    assert "Bad configuration option: nonsense" in refused["message"]


def test_an_account_without_a_shell(site: Site) -> None:
    site.start_sshd(port=2222, user="alice", login="/usr/sbin/nologin")
    site.knows(f"[{REMOTE}]:2222")

    refused = site.failure(site.as_user("alice", port=2222))

    assert refused["message"].startswith(
        "host hv gives the user alice no shell: This account is currently not available"
    )


def test_an_sshd_that_allows_one_session_is_said_to(site: Site) -> None:
    site.start_sshd("MaxSessions 1", port=2222)
    site.knows(f"[{REMOTE}]:2222")
    step = {**run("true"), "hold": ["sh", "-c", "echo held; sh"]}

    works, refused = site.ask(run("true"), step, target=replace(site.target, port=2222))

    assert "results" in works
    assert "MaxSessions" in refused["hint"]


def _when_asleep(site: Site, kill: str) -> None:
    wait_for(
        lambda: [a for a in site.remote.processes().values() if a[0] == "sleep"],
        time.monotonic() + 20,
        "sleep",
    )
    site.remote.output(["sh", "-c", kill])


def test_a_connection_that_dies_in_the_middle_of_a_batch_is_a_lost_host_and_what_was_known_is_told(
    site: Site,
) -> None:
    # Who listens goes first: whoever connects next is then refused, and not hung up on.
    kill = """
    pkill -9 -o -x sshd
    for _ in $(seq 100); do [ -n "$(ss -Hltn 'sport = :22')" ] || break; sleep 0.1; done
    pkill -9 -x 'sshd(-session)?'"""
    killer = threading.Thread(target=_when_asleep, args=(site, kill))
    killer.start()

    lost, again = site.ask(runs([("echo", "known"), ("sleep", "30"), ("echo", "never")]), run("true"))
    killer.join()

    assert lost["error"] == "LostError"
    assert lost["message"].startswith("hv is gone: the SSH connection broke")
    assert [r["out"] for r in lost["known"]] == ["known\n"]
    assert "refuses connections" in again["message"]


def test_only_the_connection_died_so_the_next_command_makes_another(site: Site) -> None:
    killer = threading.Thread(target=_when_asleep, args=(site, "pkill -9 -f '^sshd.*: roo[t]'"))
    killer.start()

    lost, again = site.ask(run("sleep", "30"), run("echo", "again"))
    killer.join()

    assert lost["error"] == "LostError"
    assert again["results"][0]["out"] == "again\n"


def test_a_frozen_host_is_given_up(site: Site) -> None:
    """Its kernel still acknowledges what is sent; neither a command, nor much input, nor the next connection hangs."""
    killer = threading.Thread(target=_when_asleep, args=(site, "pkill -STOP sshd"))
    killer.start()

    slow, next_one = site.ask(run("sleep", "30", timeout=3), run("true", timeout=3))
    killer.join()

    assert slow["error"] == "DeadlineError"
    assert "did not answer as an SSH server" in next_one["message"]


@pytest.mark.parametrize("through", ["sshd", "socat"])
def test_a_host_that_reads_no_more_is_given_up(site: Site, through: str) -> None:
    """Frozen is its sshd, or the program here that leads there."""
    if through == "socat":
        site.configure(f"Host box\n HostKeyAlias {REMOTE}\n ProxyCommand socat - TCP:{REMOTE}:22\n")
    freezing = (
        "sh",
        "-c",
        f"(sleep 0.5; pkill -STOP -x '{through}(-session)?') </dev/null >/dev/null 2>&1 &",
    )

    *_, lost = site.ask(
        run("true"),
        run(*freezing, host="hv" if through == "sshd" else "here"),
        run("sleep", "1.5", host="here"),
        run("cat", stdin="x" * 4_000_000, timeout=300),
        target=replace(site.target, address="box") if through == "socat" else None,
        here=Target("here"),
    )

    assert lost["error"] == "LostError"
    assert "hv is gone: " in lost["message"]


def test_a_host_whose_link_is_cut_is_given_up(site: Site) -> None:
    """By what it does not acknowledge, well before the command's own deadline."""
    killer = threading.Thread(target=_when_asleep, args=(site, "ip link set wire down"))
    killer.start()

    (lost,) = site.ask(run("sleep", "1000", timeout=1000))
    killer.join()

    assert lost["error"] == "LostError"
    assert "hv is gone" in lost["message"]

"""Whatever goes wrong while a host is set: it is as before or as wanted, and which of them is said."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.real.host_settings import (
    GRO,
    SECOND,
    SETTING,
    Before,
    feature,
    impatient,
    lab,
    misbehaving,
    ours,
    refused,
    rscvm,
    running,
    second_host,
    with_nic,
)
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, key_pair, public

SLOW = 'case "$*" in {setting}) touch $AT/begun; sleep {seconds};; esac; exec "$REAL" "$@"'
"""A driver that takes its time for the setting, and none for its undo."""


def slow(seconds: int) -> str:
    return SLOW.format(setting=SETTING, seconds=seconds)


@pytest.mark.parametrize("what", ["session", "all of it"])
def test_sshd_killed_in_the_middle_of_the_writes_and_back_later(
    site: Site, before: Before, what: str
) -> None:
    """What had been started would still set the NIC long after, when everybody believes that it is put back."""
    path = str(lab(site, GRO))
    victims = ["-f", "^sshd.*: roo[t]"] if what == "session" else ["sshd"]

    with impatient(site), misbehaving(site, slow(60)), running(site, "apply", path) as apply:
        apply.when("begun")
        site.remote.output(["pkill", "-9", *victims])
        if what == "all of it":
            site.sshd.pop(22).wait()
            wait_for(
                lambda: not site.remote.path("/var/lib/rscvm/lab/.undo").exists(), apply.soon(), "the undo"
            )
            site.start_sshd()
        done = apply.ended()

    assert done.returncode == 3
    assert "hv was lost while it was to set nic0's features" in done.stderr
    assert "its own undo has put back what was found, which was read back" in done.stderr
    before.holds()


def test_who_keeps_the_lock_does_not_keep_the_host_from_its_undo(site: Site, before: Before) -> None:
    path = str(lab(site, GRO))
    keep = "setsid flock /var/lib/rscvm/lab/lock sleep 600 >/dev/null 2>&1 &"

    with impatient(site), misbehaving(site, slow(60)), running(site, "apply", path) as apply:
        apply.when("begun")
        site.remote.output(["sh", "-c", f"{keep} pkill -9 -f '^sshd.*: roo[t]'"])
        done = apply.ended()
    site.remote.run(["pkill", "-9", "-f", "sleep 600"])  # the keeper, where it came too late for the lock

    assert done.returncode == 3
    assert "its own undo has put back what was found, which was read back" in done.stderr
    before.holds()


def test_a_driver_that_is_slower_than_the_hosts_patience(site: Site, before: Before) -> None:
    lab(site, GRO)

    with misbehaving(site, slow(90)):
        said = refused(site, "its own undo has put back what was found, which was read back")

    assert "or takes too long: apply them one by one" in said
    before.holds()


def test_a_driver_of_this_machine_that_is_slower_than_its_patience(site: Site, before: Before) -> None:
    """No SSH: the undo ends the shell that we work through, and the command that hangs in it."""
    path = site.at / "lab.yaml"
    path.write_text(f"version: 1\nhosts:\n  local:\n{GRO}\n")

    with misbehaving(site, slow(90)):
        done = site.remote.run([sys.executable, "-m", "provision", "apply", str(path)], timeout=240)

    assert done.returncode == 3
    assert b"its own undo has put back what was found, which was read back" in done.stderr
    before.holds()


def test_a_driver_that_is_slow_and_not_too_slow(site: Site, before: Before) -> None:
    path = str(lab(site, GRO))

    with misbehaving(site, slow(5)):
        done = rscvm(site, "apply", path)

    assert done.returncode == 0, done.stderr
    assert feature(site, "generic-receive-offload") is True
    assert rscvm(site, "down", path).returncode == 0
    before.holds()


def as_alice(site: Site, *, sudo: bool) -> str:
    site.start_sshd(port=2222, user="alice")
    site.knows(f"[{REMOTE}]:2222")
    return (
        f"    user: alice\n    port: 2222\n    sudo: {str(sudo).lower()}\n    identity: {site.at / 'id'}\n"
        f"    known_hosts: {site.at / 'known_hosts'}\n"
    )


def test_an_ordinary_user_whom_sudo_refuses_or_who_does_not_ask_it(site: Site, before: Before) -> None:
    lab(site, GRO, login=as_alice(site, sudo=True))
    refused(site, "sudo on hv refuses alice a shell", "hint: as root there, `visudo")

    text = (site.at / "lab.yaml").read_text()
    (site.at / "lab.yaml").write_text(text.replace("sudo: true", "sudo: false"))
    refused(site, "needs root (CAP_NET_ADMIN)")

    before.holds()


@pytest.mark.parametrize("defaults", ["", "Defaults use_pty"])
@pytest.mark.parametrize("hangs", [False, True])
def test_an_ordinary_user_whom_sudo_lets(site: Site, before: Before, defaults: str, *, hangs: bool) -> None:
    path = str(lab(site, GRO, login=as_alice(site, sudo=True)))
    rules = f"{defaults}\nalice ALL=(root) NOPASSWD: /usr/bin/sh\n"
    site.remote.output(["sh", "-ec", 'umask 227; printf %s "$1" >/etc/sudoers.d/rscvm', "sh", rules])

    with misbehaving(site, slow(90 if hangs else 0)):
        done = rscvm(site, "apply", path)

    if hangs:
        assert "its own undo has put back what was found, which was read back" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert ours(site.remote) == []
        assert feature(site, "generic-receive-offload") is True
        assert rscvm(site, "down", path).returncode == 0
    before.holds()


@pytest.mark.parametrize(("known", "words"), [("", "is not known"), ("other", "has CHANGED")])
def test_a_host_key_that_is_not_the_known_one(site: Site, before: Before, known: str, words: str) -> None:
    lab(site, GRO)
    line = f"{REMOTE} {public(key_pair(site.at / known))}\n" if known else ""
    (site.at / "known_hosts").write_text(line)

    refused(site, words)

    before.holds()


def test_one_of_three_hosts_is_unreachable_and_the_others_are_set(site: Site, before: Before) -> None:
    with second_host(site) as other:
        also = with_nic(other)
        path = str(lab(site, GRO, hosts={"hv1": REMOTE, "gone": "192.0.2.9", "hv2": SECOND}))

        done = rscvm(site, "apply", path, "--json")
        text = rscvm(site, "apply", path)

        assert (done.returncode, text.returncode) == (3, 3)
        told = json.loads(done.stdout)
        assert [row["host"] for row in told["hosts"]] == ["hv1", "hv2"]
        assert [row["host"] for row in told["errors"]] == ["gone"]
        assert "rscvm: host gone: 192.0.2.9 port 22" in done.stderr
        assert text.stdout.splitlines() == [
            f"{host}: as the lab file has it; nothing changed" for host in ("hv1", "hv2")
        ]
        assert feature(site, "generic-receive-offload") is feature(other, "generic-receive-offload") is True
        assert rscvm(site, "down", path).returncode == 3
        before.holds()
        also.holds()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_a_host_is_set(site: Site, before: Before, number: signal.Signals) -> None:
    path = str(lab(site, GRO))

    with misbehaving(site, slow(3)), running(site, "apply", path) as apply:
        apply.when("begun")
        apply.signal(number)
        done = apply.ended()

    assert done.returncode == 130, done.stderr
    assert "read back: hv is as it was found" in done.stderr
    assert "as the lab file has it" not in done.stdout
    before.holds()


def test_ctrl_c_while_several_hosts_are_set(site: Site, before: Before) -> None:
    with second_host(site) as other:
        also = with_nic(other)
        path = str(lab(site, GRO, hosts={"hv1": REMOTE, "hv2": SECOND}))

        both = slow(3).replace("$AT/begun", "$AT/begun-$(hostname)")
        site.remote.output(["hostname", "hv1"])
        other.remote.output(["hostname", "hv2"])
        with misbehaving(site, both), misbehaving(other, both), running(site, "apply", path) as apply:
            apply.when("begun-hv1")
            apply.when("begun-hv2")
            apply.signal()
            done = apply.ended()

        assert done.returncode == 130, done.stderr
        for host in ("hv1", "hv2"):
            assert f"{host}: read back: {host} is as it was found" in done.stderr
        before.holds()
        also.holds()


def test_of_two_at_once_one_works_and_the_other_says_who_does(site: Site, before: Before) -> None:
    path = str(lab(site, GRO))

    with misbehaving(site, slow(8)), running(site, "apply", path) as apply:
        apply.when("begun")
        refused(site, "lab lab is being changed by root@", "rscvm apply, process")
        done = apply.ended()

    assert done.returncode == 0, done.stderr
    assert rscvm(site, "down", path).returncode == 0
    before.holds()

"""Guests that are asked over SSH: by any login shell, in their time, with strict host keys; and one that is a real guest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.runtime.guest_channel import Script
from provision.runtime.guest_words import as_run
from provision.runtime.places import Target
from tests.real.hypervisor import Hypervisor
from tests.real.physical import physical_host
from tests.real.remote import DRIVER, REMOTE

if TYPE_CHECKING:
    from tests.real.remote import Site

pytestmark = pytest.mark.real

LONG = 60
# What stands for PowerShell where there is no Windows: it tells the words that it was started with, and what it read.
POWERSHELL = """#!/bin/sh
printf '%s\\n' "$@"
cat
exit 7
"""


def over_ssh(target: Target, script: str, timeout: float = LONG, **more: Any) -> dict[str, Any]:
    """A step that runs a script in a guest over SSH."""
    way = {"kind": "ssh", "system": "linux", "target": asdict(target)}
    return {"guest": way, "script": script, "timeout": timeout, **more}


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/bin/csh"])
def test_a_script_is_run_whatever_the_login_shell_is(site: Site, shell: str) -> None:
    site.start_sshd(port=2222, user="alice", login=shell)
    site.knows(f"[{REMOTE}]:2222")
    alice = site.as_user("alice", port=2222)
    script = f'# {"x" * 50_000}\nid -un; echo "it\'s $((1 + 1))"; echo err >&2; exit 3'

    (ran,) = site.ask(over_ssh(alice, script))

    assert ran["results"] == [{"status": 3, "out": "alice\nit's 2\n", "err": "err\n"}]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/csh"])
def test_powershell_is_started_by_plain_words_and_reads_the_script(site: Site, shell: str) -> None:
    site.start_sshd("SetEnv PATH=/run/alice:/usr/bin:/bin", port=2222, user="alice", login=shell)
    site.knows(f"[{REMOTE}]:2222")
    there = site.remote.path("/run/alice/powershell.exe")
    there.write_text(POWERSHELL)
    there.chmod(0o755)
    script = Script("powershell", "words", "'ü'" + "#" * 20_000)
    wanted = as_run(script)

    (ran,) = site.ask(over_ssh(site.as_user("alice", port=2222), script.text, by="powershell"))

    assert ran["results"] == [{"status": 7, "out": "\n".join((*wanted.argv[1:], wanted.stdin)), "err": ""}]


def test_what_does_not_end_in_time_is_ended_there_with_all_that_it_started(site: Site) -> None:
    late, again = site.ask(
        over_ssh(site.target, "sleep 1001 & sh -c 'sleep 1002; true'; true", timeout=8),
        over_ssh(site.target, "pgrep -x sleep || echo none"),
    )

    assert (late["error"], again["results"][0]["out"]) == ("DeadlineError", "none\n")
    assert "words did not end within 4 s at ssh " in late["message"]


def test_more_output_than_is_of_any_use_is_an_error_and_ends_it(site: Site) -> None:
    much, again = site.ask(
        over_ssh(site.target, "exec yes"), over_ssh(site.target, "pgrep -x yes || echo none")
    )

    assert "puts out more than 4 MiB" in much["message"]
    assert again["results"][0]["out"] == "none\n"


def test_a_guest_whose_host_key_is_unknown_is_told_nothing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "nobody").touch()

    (refused,) = site.ask(
        over_ssh(site.as_user("root", known_hosts=str(tmp_path / "nobody")), "touch /run/told")
    )

    assert "host key" in refused["message"]
    assert not site.remote.path("/run/told").exists()


def test_what_says_no_status_has_none(site: Site) -> None:
    (killed,) = site.ask(over_ssh(site.target, "kill -9 $$"))

    assert "ended at ssh " in killed["message"]
    assert "without an exit status" in killed["message"]


def test_a_real_guest_is_asked_over_its_tap(tmp_path: Path) -> None:
    """The demo guest of the kind that has an sshd, behind a TAP of the host that asks."""
    with Hypervisor() as near, physical_host(near, tmp_path) as there:
        target = Target("guest", there.address, None, there.user, str(there.identity), str(there.known_hosts))
        asked = [
            {"hv": {"name": "hv"}},
            [over_ssh(target, "hostname; ethtool -k eth0 >/dev/null && echo asked")],
        ]
        done = near.run([sys.executable, DRIVER], input=json.dumps(asked).encode(), timeout=120)
        (ran,) = json.loads(done.stdout)

    assert ran["results"] == [{"status": 0, "out": "rscvm-guest\nasked\n", "err": ""}]

"""A fleet of which some hosts are somebody else's by now: the others' verdicts come, and in their time.

The hosts are one, under many names; sshd and QEMU are real, and so is what a login gets. Of a host that lies the shell
is `tests/hostile_shell.py`, to which its sshd leads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.hostile_shell import LIES
from tests.real.foreign import BARE_QEMU
from tests.real.remote import REMOTE, Site, remote_site

pytestmark = pytest.mark.real

LIAR = Path(__file__).parent.parent / "hostile_shell.py"
HEALTHY = [f"well{number}" for number in range(15)]
HOSTILE = [f"evil-{lie}" for lie in LIES if lie != "silent"]
"""What says nothing costs its deadline, which tests/test_parallel.py waits for."""
FIRST = 3000
MOST = 512
"""MiB in memory, for all that ten hostile hosts say."""
MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(f"\\npeak {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MiB", file=sys.stderr)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Twenty hosts and more, one QEMU on each."""
    with remote_site(tmp_path_factory.mktemp("fleet")) as made:
        made.remote.output(["sh", "-ec", BARE_QEMU])
        rows = ["MaxStartups 100", "MaxSessions 20"]
        made.start_sshd(*rows, port=2200)
        hosts = [(name, 2200) for name in HEALTHY]
        for number, name in enumerate(HOSTILE):
            lie = name.removeprefix("evil-")
            made.start_sshd(*rows, f"ForceCommand {sys.executable} {LIAR} {lie}", port=FIRST + number)
            hosts.append((name, FIRST + number))
        made.configure("".join(_block(made, *host) for host in hosts))
        made.knows("fleet")
        yield made


def _block(site: Site, name: str, port: int) -> str:
    return (
        f"Host {name}\n  HostName {REMOTE}\n  Port {port}\n  HostKeyAlias fleet\n  IdentityFile {site.at / 'id'}\n"
        f"  UserKnownHostsFile {site.at / 'known_hosts'}\n"
    )


def check(site: Site, names: list[str], *options: str) -> CompletedProcess[str]:
    hosts = [word for name in names for word in ("--host", f"ssh://{name}")]
    argv = [
        sys.executable,
        "-c",
        MEASURED,
        sys.executable,
        "-m",
        "provision",
        "check",
        "--no-monitor",
        *hosts,
        *options,
    ]
    done = site.client.run(argv, timeout=300)
    return CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())


def nics(done: CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert done.stdout, done.stderr
    return {nic["host"]: nic for nic in json.loads(done.stdout)["nics"]}


def test_five_hostile_hosts_of_twenty_hide_no_verdict_of_the_others(site: Site) -> None:
    alone = nics(check(site, HEALTHY, "--json"))
    five = ["evil-word", "evil-bytes", "evil-nested", "evil-endless", "evil-refusal"]

    together = check(site, [*five, *HEALTHY], "--json")

    assert alone.keys() == set(HEALTHY)
    assert {name: nics(together)[name] for name in HEALTHY} == alone
    told = json.loads(together.stdout)
    named = {row["host"] for row in told["errors"]} | {
        nic["host"] for nic in told["nics"] if nic["verdict"] == "unknown"
    }
    assert named >= set(five)
    assert "internal error" not in together.stdout + together.stderr


def test_each_hostile_host_is_told_of_in_a_few_lines_and_steers_nothing(site: Site) -> None:
    done = check(site, [HEALTHY[0], *HOSTILE])

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr + done.stdout
    for stream in (done.stdout, done.stderr):
        assert all(line.isprintable() for line in stream.splitlines())
        assert len(stream) < 20_000
    ours = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert "rscvm: every NIC is ready" not in ours
    assert not any(line.startswith("hint: rm") for line in ours)
    assert "well0" in done.stdout
    for name in HOSTILE:
        assert name in done.stdout + done.stderr
    assert int(done.stderr.splitlines()[-1].split()[1]) < MOST

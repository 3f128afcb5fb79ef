"""Every command that asks a libvirt, of one that lies, at the other end of a real SSH connection."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.lying_libvirt import GOOD, LIES, STRANGE
from tests.real.domains import until
from tests.real.remote import REMOTE, Site, remote_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

MEMORY = 512 << 10
"""KiB that a command may take."""

# Tells the most memory that the command took, after what it says itself.
MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
sys.stderr.write(f"\\n{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
sys.exit(status)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all: nothing here changes it."""
    with remote_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    errors: str
    memory: int

    @property
    def verdicts(self) -> dict[str, str]:
        return {nic["machine"]: nic["verdict"] for nic in json.loads(self.out)["nics"]}


def rscvm(site: Site, *arguments: str) -> Done:
    """A command on the client: it ends in time, in little memory and in words that are meant for people."""
    done = site.client.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "provision", *arguments], timeout=60
    )
    errors, _, memory = done.stderr.decode().rpartition("\n")
    found = Done(done.returncode, done.stdout.decode(), errors, int(memory))
    assert found.memory < MEMORY
    assert "internal error" not in found.errors
    assert "Traceback" not in found.errors
    assert len(found.errors) < 4000
    assert all(line.isprintable() for line in (found.out + found.errors).splitlines())
    return found


@contextmanager
def lying(site: Site, lie: str) -> Iterator[str]:
    """A host whose libvirt tells a lie, and its URI."""
    place = "/run/libvirt/libvirt-sock"
    site.remote.output(["mkdir", "-p", "/run/libvirt"])
    argv = [*site.remote.entering(), sys.executable, "-m", "tests.lying_libvirt", place, lie]
    with subprocess.Popen(argv, start_new_session=True) as liar:
        try:
            until(site.remote.path(place).is_socket, "the liar's socket")
            key, known = (quote(str(site.at / name)) for name in ("id", "known_hosts"))
            yield f"qemu+ssh://root@{REMOTE}/system?keyfile={key}&known_hosts={known}"
        finally:
            site.remote.output(["rm", "-f", place])
            liar.kill()


def test_what_is_strange_of_a_libvirt_s_domains_is_told_of_each_beside_the_others(site: Site) -> None:
    with lying(site, "strange") as uri:
        done = rscvm(site, "check", "--json", "--connect", uri)
        shown = rscvm(site, "check", "--connect", uri)
        unimported = rscvm(site, "import", "--connect", uri, "dtd")
        unmended = rscvm(site, "fix", "--dry-run", "--connect", uri, "alias-path")

    good = {told.name.decode() for told in GOOD}
    assert len(done.verdicts) == len(STRANGE) + len(good)
    assert {name for name, verdict in done.verdicts.items() if verdict != "unknown"} == good
    assert shown.status == done.status == 1
    assert len(shown.out) < 30_000
    assert unimported.status == 3
    assert unmended.status != 0


def test_domains_of_4_mb_each_leave_the_others_and_the_memory(site: Site) -> None:
    with lying(site, "fat") as uri:
        verdicts = rscvm(site, "check", "--json", "--connect", uri).verdicts

    assert len(verdicts) == len(LIES["fat"].domains)
    assert {verdicts[told.name.decode()] for told in GOOD} == {"not-ready"}


LAB = """version: 1
hosts: {hv: {address: %s, user: root, identity: %s, known_hosts: %s}}
machines:
  first:
    host: hv
    guest: linux
    memory: 1GiB
    nics: [{user: true, rsc: false}]
state_dir: /var/lib/rscvm
"""

# Stands still; libvirt's pidfile says that it is the domain's.
QEMU = """
mkdir -p /run/libvirt/qemu
exec qemu-system-x86_64 -machine q35,accel=tcg -m 16 -S -nodefaults -display none -name guest=first -daemonize \
    -pidfile /run/libvirt/qemu/first.pid -netdev user,id=hostnet0 -device virtio-net-pci,netdev=hostnet0,id=net0
"""


def test_every_other_command_tells_of_a_refusing_libvirt_in_a_few_lines(site: Site, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB % (REMOTE, site.at / "id", site.at / "known_hosts"))
    site.configure(
        f"Host hv\n HostName {REMOTE}\n User root\n IdentityFile {site.at / 'id'}\n"
        f" UserKnownHostsFile {site.at / 'known_hosts'}\n"
    )
    site.remote.output(["sh", "-ec", QEMU])
    with lying(site, "refusing") as uri:
        ends = {
            command[0]: rscvm(site, *command).status
            for command in (
                ["check", "--connect", uri],
                ["import", "--connect", uri, "first"],
                ["fix", "--dry-run", "--connect", uri, "first"],
                ["status", str(lab)],
            )
        }
        bare = rscvm(site, "check", "--json", "--host", "ssh://hv")

    assert ends == dict.fromkeys(("check", "import", "fix", "status"), 3)
    assert set(bare.verdicts) == {"first"}

"""Hypervisor hosts to run on, lab files on them, and the demo guest's files."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.host_settings import Before, with_nic
from tests.real.hypervisor import Hypervisor, Snapshot
from tests.real.preloaded import rscvm, run
from tests.real.remote import Site, remote_site

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent

# Kernel command line switches of the demo guest, by what they make it do.
SWITCHES = {
    "willing": "",
    "declining": "rsc.driver=no-tso",
    "driverless": "rsc.driver=none",
    "dropping": "rsc.gro_hw=off",
    "hck": "rsc.driver=hck",
}


LONGEST = (
    "test_bench_real", "test_crash", "test_trouble", "test_remote_machines", "test_hck", "test_playbooks_host", "test_soak", "test_fix_lab",
    "test_machines", "test_playbooks_audit", "test_plan", "test_fix", "test_apply_physical", "test_apply_taps", "test_mangleid",
    "test_evidence", "test_apply_bridges", "test_networks",
)  # fmt: skip
"""Files that take minutes of a processor, few of which have many tests: a worker that began one last would be waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; `--no-loadscope-reorder` keeps it so."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(LONGEST)))


@dataclass(frozen=True)
class Lab:
    """A lab file on a hypervisor host of its own, and rscvm on it."""

    host: Hypervisor
    path: Path

    def rscvm(self, *arguments: str, user: str | None = None) -> CompletedProcess[str]:
        if user is None:
            return rscvm(self.host, *arguments)
        done = self.host.run([sys.executable, "-m", "provision", *arguments], timeout=240, user=user)
        return CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def run(self, command: str, *arguments: str) -> CompletedProcess[str]:
        return self.rscvm(command, str(self.path), *arguments)

    def nics(self, *machines: str) -> dict[str, Any]:
        """`check --json` by machine.nic."""
        done = self.run("check", *machines, "--json")
        assert done.returncode in (0, 1, 4), done.stderr
        return {f"{nic['machine']}.{nic['nic']}": nic for nic in json.loads(done.stdout)["nics"]}


def guest_machine(
    backend: str, name: str, *, switch: str = "", nics: str, more: str = "", kernel: Path = GUEST / "vmlinuz"
) -> str:
    """One machine of a lab file that boots the demo guest, or another kernel."""
    return f"""
  {name}:
    backend: {backend}
    guest: linux
    memory: 192MiB
    vcpus: 1
    accel: tcg
    kernel:
      image: {kernel}
      initrd: {GUEST}/initrd
      cmdline: "{CMDLINE} {switch}"
    nics: {nics}
    {more}
"""


HEAD = """version: 1
hosts: {local: {bridges: {br-lab: {address: 10.9.0.1/24}}}}
machines:
"""


def with_trouble(there: Lab, verb: str, step: int, mode: str) -> CompletedProcess[str]:
    """How rscvm ended that met with trouble at that step; killer.py tells of the modes."""
    return run(there.host, "tests.real.killer", verb, str(there.path), str(step), mode)


def lab_with(host: Hypervisor, tmp_path: Path, *machines: str) -> Lab:
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + "".join(machines))
    return Lab(host, path)


def comparable(snapshot: Snapshot) -> Snapshot:
    """Without the kept probe of accelerators, which is no lab's."""
    return replace(snapshot, files={k: v for k, v in snapshot.files.items() if k != ".accelerators.json"})


@pytest.fixture(scope="session")
def guest() -> Path:
    """The demo guest; `make guest` builds it."""
    assert (GUEST / "vmlinuz").exists(), "the demo guest is not built: run `make guest`"
    return GUEST


@pytest.fixture(scope="session")
def engine_kernel(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The guest of tests/engine, as a lab file names it."""
    from tests.engine.compiled import initramfs  # noqa: PLC0415 - guest/ is in pytest's path alone

    archive = initramfs(tmp_path_factory.mktemp("engine"))
    return {"image": f"{guest}/vmlinuz", "initrd": str(archive), "cmdline": CMDLINE}


@pytest.fixture
def open_tmp_path(tmp_path: Path) -> Path:
    """A directory that other users can read."""
    for directory in takewhile(lambda path: str(path) != gettempdir(), (tmp_path, *tmp_path.parents)):
        directory.chmod(0o755)
    return tmp_path


@pytest.fixture
def hypervisor(guest: Path) -> Iterator[Hypervisor]:
    """A host without libvirtd."""
    assert guest.is_dir()
    with Hypervisor() as host:
        yield host


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A client, and a host that it reaches over SSH."""
    with remote_site(tmp_path) as found:
        yield found


@pytest.fixture
def before(site: Site) -> Before:
    """How a NIC of that host was when it was made."""
    return with_nic(site)


@pytest.fixture
def with_libvirt(hypervisor: Hypervisor) -> Hypervisor:
    """A host whose libvirtd runs."""
    hypervisor.start_libvirtd()
    return hypervisor


@pytest.fixture(params=["qemu", "libvirt"])
def backend(request: pytest.FixtureRequest, hypervisor: Hypervisor) -> str:
    """Each backend in turn; for libvirt its daemon runs."""
    if request.param == "libvirt":
        hypervisor.start_libvirtd()
    return str(request.param)

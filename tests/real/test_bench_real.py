"""`bench` on a demo guest: legs that are what they are called, and a TAP that is put back however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from lxml import etree

from provision.verbs.bench.switch import SCRIPTS
from tests.real.conftest import HEAD, Lab, guest_machine
from tests.real.hypervisor import Hypervisor, wait_for

pytestmark = pytest.mark.real

GUEST = "rsc.gro=off rsc.ip=10.9.0.{}/24"
SHORT = ("--pairs", "1", "--seconds", "1")


def lab_of(host: Hypervisor, folder: Path, backend: str, number: int) -> Lab:
    """A lab of one machine, which runs."""
    path = folder / f"{backend}.yaml"
    nics = f"[{{bridge: br-lab, ifname: tap-{backend}}}]"
    path.write_text(HEAD + guest_machine(backend, backend, switch=GUEST.format(number), nics=nics))
    up = Lab(host, path).run("up", "--wait", "60")
    assert up.returncode == 0, up.stderr
    return Lab(host, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def lab(guest: Path, folder: Path) -> Iterator[Lab]:
    assert guest.is_dir()
    with Hypervisor() as host:
        yield lab_of(host, folder, "qemu", 2)


def is_on(lab: Lab, name: str = "tap-qemu") -> bool:
    """Whether the TAP takes large frames."""
    features = lab.host.ethtool_features(name)
    return bool(features["tx-checksum-ip-generic"]["active"] and features["tx-tcp-segmentation"]["active"])


@contextmanager
def without_rsc(
    lab: Lab, *more: str, path: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A bench that is in its leg without RSC, and its process on the host; programs of `path` come first there."""
    before = [] if path is None else ["env", f"PATH={path}:/usr/sbin:/usr/bin:/sbin:/bin"]
    argv = [sys.executable, "-m", "provision", "bench", str(lab.path), "qemu", "--seconds", "1", *more]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*lab.host.entering(), *before, *argv], stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            wait_for(lambda: not is_on(lab), time.monotonic() + 60, "a leg without RSC")
            yield (
                process,
                next(pid for pid, words in lab.host.processes().items() if words[1:] == tuple(argv[1:])),
            )
        finally:
            process.kill()


def left_over(lab: Lab, *words: str) -> Sequence[tuple[str, ...]]:
    """Processes that have one of these among their arguments."""
    return [argv for argv in lab.host.processes().values() if any(word in " ".join(argv) for word in words)]


def test_a_leg_has_the_frames_that_it_is_called_by_and_all_is_as_before(lab: Lab, folder: Path) -> None:
    """The reference's two power cycles among that."""
    before, ran = lab.host.ethtool_features("tap-qemu"), left_over(lab, "qemu-system")
    junit, page = folder / "gain.xml", folder / "gain.html"

    done = lab.run(
        "bench", "qemu", *SHORT, "--reference", "--json", "--junit", str(junit), "--html", str(page)
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    on, *without = (found["legs"][kind] for kind in ("on", "off", "reference"))
    assert on["mean_frame"] > 10_000
    assert all(1000 < leg["mean_frame"] < 1600 for leg in without)
    assert [note for note in found["notes"] if "too busy" not in note] == []
    for leg in (on, *without):
        assert leg["gbps"]["median"] > 0
        seconds = leg["threads_cpu_s_per_gb"]["vcpus"]
        assert min(leg["host_cpu_s_per_gb"], seconds) > 0
        assert leg["guest_cpu_s_per_gb"] is None or 0 < leg["guest_cpu_s_per_gb"] < 1.2 * seconds
    assert etree.fromstring(junit.read_bytes())[0].get("failures") == "0"
    assert found["sentence"] in page.read_text()
    assert "could not be ended" not in done.stderr
    assert (lab.host.ethtool_features("tap-qemu"), left_over(lab, "qemu-system")) == (before, ran)
    assert not left_over(lab, "iperf3", ".undo")
    refused = lab.host.run(["iperf3", "--client", "10.9.0.2", "--port", "5202", "--json"])
    assert "refused" in json.loads(refused.stdout)["error"]


def test_an_interruption_puts_the_tap_back(lab: Lab) -> None:
    with without_rsc(lab) as (process, pid):
        lab.host.output(["kill", "-INT", str(pid)])
        _, said = process.communicate(timeout=60)

        assert process.returncode == 130, said.decode()
    assert is_on(lab)
    assert not left_over(lab, "iperf3", ".undo")


def test_a_tap_that_is_renamed_meanwhile_has_its_own_back_and_another_of_its_name_is_left_alone(
    lab: Lab,
) -> None:
    with without_rsc(lab) as (process, _):
        for line in ("link set tap-qemu name tap-other", "tuntap add dev tap-qemu mode tap"):
            lab.host.output(["ip", *line.split()])
        try:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 3, said.decode()
            assert is_on(lab, "tap-other")
        finally:
            for line in ("tuntap del dev tap-qemu mode tap", "link set tap-other name tap-qemu"):
                lab.host.output(["ip", *line.split()])
    assert not left_over(lab, ".undo")


def test_a_tap_is_known_by_its_index_also_where_sys_is_another_namespaces() -> None:
    """As in `make demo`. The index of the first device that is made there is one of ours, too."""
    lines = (
        "ip tuntap add dev t0 mode tap",
        "index=$(ip -o link show dev t0 | cut -d : -f 1)",
        'for state in off on; do sh -c "$SCRIPT" sh "$index" "$state" || exit 1; ethtool -k t0 | grep ip-generic; done',
    )
    argv = ["unshare", "--net", "sh", "-ec", "\n".join(lines)]
    env = {**os.environ, "SCRIPT": SCRIPTS["switch a TAP's checksum"]}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    off, on = (line.split(": ")[1] for line in done.stdout.splitlines())
    assert (off, on in ("on", "off [requested on]")) == ("off", True)


def test_a_tap_that_cannot_be_given_back_is_told_also_after_an_interruption(lab: Lab, folder: Path) -> None:
    """An ethtool that refuses stands before the real one; the host's own undo, which has that one too, is waited for."""
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "ethtool").write_text('#!/bin/sh\n[ "$1$4" != -Kon ] || exit 1\nexec /usr/sbin/ethtool "$@"\n')
    (bin_ / "ethtool").chmod(0o755)

    with without_rsc(lab, path=bin_) as (process, pid):
        lab.host.output(["kill", "-INT", str(pid)])
        _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "tap-qemu was not given its checksum and TSO back" in said.decode()
    assert not is_on(lab)
    assert left_over(lab, ".undo")
    lab.host.output(["ethtool", "-K", "tap-qemu", "tx", "on"])
    done = lab.run("bench", "qemu", *SHORT, "--json")
    assert done.returncode == 0, done.stderr
    assert not left_over(lab, ".undo")


def test_who_is_killed_leaves_it_to_the_host_and_meanwhile_a_domain_is_measured(
    lab: Lab, folder: Path
) -> None:
    """The host waits for half a minute, in which nothing of ours touches that lab."""
    with without_rsc(lab, "--server", "10.9.0.2") as (_, pid):
        lab.host.output(["kill", "-KILL", str(pid)])
    assert not is_on(lab)

    lab.host.start_libvirtd()
    lab_of(lab.host, folder, "libvirt", 3)
    done = lab.rscvm("bench", "--connect", "qemu:///system", "libvirt", *SHORT, "--json")

    wait_for(lambda: is_on(lab), time.monotonic() + 60, "the host's own undo")
    wait_for(lambda: not left_over(lab, "iperf3", ".undo"), time.monotonic() + 10, "its end")
    assert done.returncode == 0, done.stderr
    legs = json.loads(done.stdout)["legs"]
    assert legs["on"]["mean_frame"] > 10_000
    assert legs["off"]["mean_frame"] < 1600
    assert lab.host.ethtool_features("tap-libvirt")["tx-checksumming"]["active"]

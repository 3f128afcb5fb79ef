"""`rscvm hck enforce` on real machines: `tx` is off again after whatever the guest does, and on again however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.conftest import HEAD, Lab
from tests.real.domains import until
from tests.real.enforced import Dut, dut, each_is_undone, enforcing, enforcing_argv, keepers
from tests.real.hypervisor import Hypervisor
from tests.real.remote import REMOTE, remote_site

pytestmark = pytest.mark.real

KEEPER = "/var/lib/rscvm/lab/.enforce"
ROUND = ("offloads", "driver", "offloads", "driver", "offloads", "driver", "offloads", "driver", "offloads")


def lab_on(host: Hypervisor, folder: Path, backend: str) -> Lab:
    path = folder / "lab.yaml"
    path.write_text(HEAD.replace("br-lab: {address: 10.9.0.1/24}", "br-hck: {}") + dut(backend))
    return Lab(host, path)


@dataclass(frozen=True)
class There:
    """A DUT that runs on bare QEMU, and its lab."""

    lab: Lab
    dut: Dut

    @property
    def kept(self) -> bool:
        """Whether anything of a keeper is on the host."""
        return bool(keepers(self.lab.host)) or self.lab.host.path(KEEPER).exists()


@pytest.fixture(scope="module")
def there(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    assert guest.is_dir()
    with Hypervisor() as host:
        lab = lab_on(host, tmp_path_factory.mktemp("enforce"), "qemu")
        yield There(lab, Dut(host))


def test_after_20_reboots_driver_restarts_and_changes_of_offloads_in_a_row_tx_is_off_each_time_and_on_at_the_end(
    there: There,
) -> None:
    """It is begun before the lab is there, and `up`, `check`, `fix`, `apply` and `plan` work beside it."""
    host, lab = there.lab.host, there.lab
    with enforcing(host, lab.path) as enforced:
        enforced.until_said("it is not there; waiting for it")
        assert lab.run("up", "--no-check").returncode == 0
        enforced.until("kept")
        enforced.until("off")
        there.dut.until_asked()

        missed = each_is_undone(enforced, there.dut, [*ROUND, "reboot", *ROUND, "reboot"])
        found = lab.nics()["dut.net0"]
        beside = [
            lab.run(*words).returncode
            for words in (("up", "--no-check"), ("fix",), ("apply",), ("plan", "--exit-code"))
        ]
        second = lab.rscvm("hck", "enforce", str(lab.path))
        still = there.dut.wire_like()
        status = enforced.end()

    assert missed == []
    assert (found["verdict"], found["cause"]) == ("ready", None)
    assert beside == [0, 0, 0, 0]
    assert still, "none of them has switched it on"
    assert second.returncode == 3
    assert "are kept by root@" in second.stderr
    assert status == 0
    assert [row["event"] for row in enforced.rows[-2:]] == ["back", "end"]
    assert enforced.rows[-1]["count"] == enforced.count("off") >= 20
    assert not there.dut.wire_like()
    assert not there.kept


def ends(there: There) -> None:
    """Wait until nothing of a keeper runs on the host."""
    until(lambda: not keepers(there.lab.host), "the keeper's end")


def test_whoever_is_killed_tx_is_on_again_or_check_says_what_is_so(there: There) -> None:
    """The next run takes over from the one on the host; where both are killed it knows what they had switched off."""
    host, lab = there.lab.host, there.lab
    assert lab.run("up", "--no-check").returncode == 0
    there.dut.until_asked()
    with enforcing(host, lab.path) as enforced:
        enforced.until("off")
        enforced.kill(signal.SIGKILL, "rscvm")

    with enforcing(host, lab.path) as enforced:
        enforced.until("kept")
        assert (there.dut.wire_like(), enforced.count("off")) == (True, 0)
        enforced.kill(signal.SIGKILL, "keeper")
        enforced.until_said("what keeps the TAPs there has ended")
        enforced.until("kept", 2)
        assert there.dut.wire_like()
        enforced.kill(signal.SIGKILL, "keeper", "rscvm")
        ends(there)
    assert lab.nics()["dut.net0"]["verdict"] == "ready"
    assert there.dut.wire_like()

    with enforcing(host, lab.path) as enforced:
        enforced.until("kept")
        assert enforced.end(signal.SIGHUP) == 0
    assert enforced.count("off") == 0
    assert (there.dut.wire_like(), there.kept) == (False, False)

    with enforcing(host, lab.path) as enforced:
        enforced.until("off")
        enforced.kill(signal.SIGKILL, "keeper", "rscvm")
        ends(there)
    there.dut.reboot()
    until(lambda: not there.dut.wire_like(), "a driver that has started")
    there.dut.until_asked()
    assert lab.nics()["dut.net0"]["cause"] == "not-wire-like"
    assert lab.run("down").returncode == 0
    assert not there.kept


def test_a_device_of_that_name_that_is_not_ours_is_refused(hypervisor: Hypervisor, tmp_path: Path) -> None:
    lab = lab_on(hypervisor, tmp_path, "qemu")
    hypervisor.output(["ip", "tuntap", "add", "dev", "duttap", "mode", "tap"])
    before = hypervisor.ethtool_features("duttap")

    refused = lab.rscvm("hck", "enforce", str(lab.path))

    assert refused.returncode == 3
    assert "a device duttap is there, and that it is dut's is not proven" in refused.stderr
    assert hypervisor.ethtool_features("duttap") == before
    assert keepers(hypervisor) == []
    assert not hypervisor.path("/var/lib/rscvm/lab").exists()


def test_a_reader_that_has_gone_ends_it_and_nothing_stays(hypervisor: Hypervisor, tmp_path: Path) -> None:
    lab = lab_on(hypervisor, tmp_path, "qemu")
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    for out, status, said in ((writer, 141, ""), (full, 3, "No space left on device")):
        done = subprocess.run(
            enforcing_argv(hypervisor, lab.path),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        os.close(out)
        assert (done.returncode, "internal error" in done.stderr) == (status, False)
        assert said in done.stderr
    assert keepers(hypervisor) == []
    assert not hypervisor.path("/var/lib/rscvm/lab").exists()


def test_beside_a_host_that_is_not_reached_the_others_end_with_their_sum(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    lab = lab_on(hypervisor, tmp_path, "qemu")
    far = "  far: {guest: windows, memory: 1GiB, purpose: hck, host: far, nics: [{tap: true, rsc: hck}]}\n"
    text = lab.path.read_text().replace("{local:", "{far: {address: far.invalid}, local:", 1)
    lab.path.write_text(text + far)
    with enforcing(hypervisor, lab.path) as enforced:
        enforced.until("gone")
        enforced.until_said("no address of far.invalid is known")
        status = enforced.end()

    assert status == 3
    assert enforced.rows[-1]["event"] == "end"
    assert [row["tap"] for row in enforced.rows[-1]["nics"]] == ["duttap"]
    assert [row["host"] for row in enforced.rows[-1]["errors"]] == ["far"]


def test_a_domains_tap_is_kept_again_after_a_power_cycle(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    lab = lab_on(with_libvirt, tmp_path, "libvirt")
    machine = Dut(with_libvirt)
    assert lab.run("up", "--no-check").returncode == 0
    with enforcing(with_libvirt, lab.path) as enforced:
        enforced.until("off")
        with_libvirt.virsh("destroy", "dut")
        enforced.until_said("it is not there; waiting for it")
        with_libvirt.virsh("start", "dut")
        enforced.until("kept", 2)
        enforced.until("off", 2)
        assert machine.wire_like()
        assert enforced.end(signal.SIGTERM) == 0
    assert enforced.rows[-1]["count"] == 2
    assert not machine.wire_like()
    assert lab.run("down").returncode == 0
    assert not with_libvirt.path(KEEPER).exists()


def test_a_lost_connection_is_made_anew(guest: Path, tmp_path: Path) -> None:
    assert guest.is_dir()
    with remote_site(tmp_path) as site:
        lab = Lab(site.client, tmp_path / "lab.yaml")
        login = f"address: {REMOTE}, user: root, identity: {site.at / 'id'}, known_hosts: {site.at / 'known_hosts'}"
        head = f"version: 1\nhosts: {{hv: {{{login}, bridges: {{br-hck: {{}}}}}}}}\nmachines:\n"
        lab.path.write_text(head + dut("qemu", host="hv"))
        machine = Dut(site.remote)
        assert lab.run("up", "--no-check").returncode == 0
        with enforcing(site.client, lab.path) as enforced:
            enforced.until("off")
            machine.until_asked()
            site.remote.output(["pkill", "-9", "-f", "^sshd.*: roo[t]"])
            enforced.until_said("the next try is in 1 s")
            enforced.until_said("hv: listening again")
            enforced.until("kept", 2)
            assert (machine.wire_like(), enforced.count("off")) == (True, 1), (
                "nobody has put it back meanwhile"
            )
            missed = each_is_undone(enforced, machine, ["driver", "offloads"])
            assert lab.run("down").returncode == 0
            enforced.until_said("it is not there; waiting for it")
            status = enforced.end(signal.SIGTERM)
        assert (missed, status) == ([], 0)
        assert sum("the next try" in line for line in enforced.said) == 1
        assert keepers(site.remote) == []
        assert not site.remote.path("/var/lib/rscvm/lab").exists()

"""TAPs of machines that run: what their host has switched off comes back, and what their guest dropped is the guest's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import SWITCHES, guest_machine
from tests.real.host_settings import feature, lab, misbehaving, rscvm
from tests.real.remote import Site, remote_site

BRIDGE = "    bridges: {br-lab: {address: 10.9.0.1/24}}"
NIC = "[{bridge: br-lab, ifname: tap0}]"
LARGE = ("tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation")
LAST_WORD = "the guest's negotiation has the last word"


@pytest.fixture
def site(guest: Path, tmp_path: Path) -> Iterator[Site]:
    assert guest.is_dir()
    with remote_site(tmp_path) as found:
        yield found


def up(site: Site, guest: str, wait: str = "--wait", backend: str = "qemu") -> str:
    """A lab file whose machine runs on the host."""
    machine = guest_machine(backend, "vm", switch=SWITCHES[guest], nics=NIC, more="host: hv")
    path = str(lab(site, BRIDGE, f"machines:\n{machine}"))
    made = rscvm(site, "up", path, *(("--wait", "90") if wait == "--wait" else (wait,)))
    assert made.returncode in (0, 1), made.stderr
    return path


def test_what_the_host_switched_off_is_switched_on_again(site: Site) -> None:
    path = up(site, "willing")
    assert all(feature(site, name, "tap0") for name in LARGE)

    for word in ("tx", "sg", "tso"):
        site.remote.output(["ethtool", "-K", "tap0", word, "off"])
        assert not feature(site, "tx-tcp-segmentation", "tap0")
        plan = rscvm(site, "plan", path)
        done = rscvm(site, "apply", path)
        again = rscvm(site, "apply", path)

        assert "switch tap0's offloads back on: vm.net0 is to receive large frames" in plan.stdout
        assert done.returncode == 0, done.stderr
        assert done.stdout == "hv: as the lab file has it; 1 changed, read back\n"
        assert all(feature(site, name, "tap0") for name in LARGE), word
        assert again.stdout == "hv: as the lab file has it; nothing changed\n"
    assert rscvm(site, "check", path).returncode == 0
    assert rscvm(site, "down", path).returncode == 0


STRANGERS = """
ip link set tap0 down && ip link set tap0 name moved0 && ip link set moved0 up
ip tuntap add dev tap0 mode tap && ip link set tap0 up mtu 1400
"""


def test_a_tap_of_libvirts_is_the_one_that_its_qemu_holds_and_no_other_of_that_name(site: Site) -> None:
    site.remote.start_libvirtd()
    path = up(site, "willing", backend="libvirt")
    site.remote.output(["ethtool", "-K", "tap0", "tso", "off"])
    own = rscvm(site, "apply", path)
    assert own.returncode == 0, own.stderr
    assert feature(site, "tx-tcp-segmentation", "tap0")

    site.remote.output(["sh", "-ec", STRANGERS])
    before = site.remote.links()["tap0"], site.remote.ethtool_features("tap0")
    done = rscvm(site, "apply", path)

    assert done.returncode == 0, done.stderr
    assert (site.remote.links()["tap0"], site.remote.ethtool_features("tap0")) == before
    assert rscvm(site, "down", path).returncode == 0
    assert "tap0" in site.remote.links()


def test_what_the_guest_dropped_stays_off_and_the_guest_is_named(site: Site) -> None:
    path = up(site, "dropping")
    assert [feature(site, name, "tap0") for name in LARGE] == [True, False, False]

    done = rscvm(site, "apply", path, "--json")
    again = rscvm(site, "apply", path)

    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["hosts"]
    assert row["steps"] == [], "what was tried in vain is no change"
    [note] = row["notes"]
    assert note.startswith(
        "tap0: tx-tcp-segmentation stays off [requested on], tx-tcp6-segmentation stays off"
    )
    assert note.endswith(LAST_WORD)
    assert LAST_WORD in done.stderr
    assert again.stdout == "hv: as the lab file has it; nothing changed\n"
    assert rscvm(site, "down", path).returncode == 0


def test_an_ethtool_that_does_not_switch_a_tap_is_told_from_a_guest(site: Site) -> None:
    path = up(site, "willing")
    site.remote.output(["ethtool", "-K", "tap0", "tso", "off"])

    with misbehaving(site, 'case "$*" in "-K tap0"*) exit 0;; esac; exec "$REAL" "$@"'):
        done = rscvm(site, "apply", path)

    assert "tx-tcp-segmentation stays off" in done.stderr
    assert LAST_WORD not in done.stderr, "it was not even asked for"
    assert "the host did not take it" in done.stderr
    assert rscvm(site, "down", path).returncode == 0


@pytest.mark.parametrize("kind", ["declining", "driverless"])
def test_a_guest_that_never_took_them_is_left_alone(site: Site, kind: str) -> None:
    path = up(site, kind, "--wait" if kind == "declining" else "--no-check")

    done = rscvm(site, "apply", path)

    assert done.returncode == 0, done.stderr
    assert not feature(site, "tx-tcp-segmentation", "tap0")
    whole, but = "hv: as the lab file has it; nothing changed\n", "hv: nothing changed, but tap0: "
    assert done.stdout.startswith(but if kind == "declining" else whole)
    assert rscvm(site, "down", path).returncode == 0

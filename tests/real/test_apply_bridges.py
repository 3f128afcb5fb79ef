"""Bridges with an uplink, over real SSH: made, put right, and taken back by the host where that cuts it off."""

from __future__ import annotations

import json

import pytest

from tests.real.host_settings import Before, lab, ours, refused, rscvm
from tests.real.remote import Site


def bridge(site: Site, uplink: str) -> str:
    return str(lab(site, f"    bridges: {{br0: {{uplink: {uplink}}}}}"))


def master(site: Site, device: str) -> str:
    return str(site.remote.links()[device].get("master", ""))


def test_a_nic_is_put_under_a_bridge_back_under_it_and_given_back(site: Site, before: Before) -> None:
    path = bridge(site, "nic0")

    made = rscvm(site, "apply", path)
    after_made = master(site, "nic0")
    site.remote.output(["ip", "link", "set", "dev", "nic0", "nomaster"])
    plan, put_right = rscvm(site, "plan", path), rscvm(site, "apply", path)
    after_put_right = master(site, "nic0")

    assert (made.returncode, put_right.returncode) == (0, 0), made.stderr + put_right.stderr
    assert "-   uplink nic0 on no bridge" in plan.stdout
    assert (after_made, after_put_right) == ("br0", "br0")
    assert ours(site.remote) == [], "the undo is disarmed, and its process has ended"
    assert rscvm(site, "down", path).returncode == 0
    assert master(site, "nic0") == ""
    before.holds()


@pytest.mark.parametrize(("there", "strict"), [(False, 1), (True, 1), (False, 0)])
def test_a_bridge_that_takes_the_nic_by_which_we_came_is_taken_back_by_the_host(
    site: Site, before: Before, *, there: bool, strict: int
) -> None:
    """Also one of ours that is there and gets another uplink.

    What comes in by the bridge is not where the way back leads, which a strict rp_filter does not let pass; without one,
    the connection would be lost only when the host has to ask for its neighbours again.
    """
    site.remote.output(["sh", "-c", f"echo {strict} >/proc/sys/net/ipv4/conf/all/rp_filter"])
    if there:
        assert rscvm(site, "apply", bridge(site, "nic0")).returncode == 0
    bridge(site, "wire")

    refused(site, "its own undo has put back what was found, which was read back")

    assert master(site, "wire") == ""
    assert ("br0" in site.remote.links()) is there
    assert rscvm(site, "down", bridge(site, "nic0" if there else "wire")).returncode == 0
    before.holds()


def addresses(site: Site, device: str) -> list[str]:
    [row] = json.loads(site.remote.output(["ip", "-json", "-4", "address", "show", "dev", device]))
    return [entry["local"] for entry in row["addr_info"]]


def test_what_the_lab_file_no_longer_says_is_taken_from_a_bridge_of_ours(site: Site, before: Before) -> None:
    """And its uplink, which was down, is down again: by apply where it is given up, by down where it is not."""
    path = str(lab(site, "    bridges: {br0: {uplink: nic0, address: 10.9.0.1/24, mtu: 1400}}"))
    made = rscvm(site, "apply", path)
    up = "UP" in site.remote.links()["nic0"]["flags"]

    lab(site, "    bridges: {br0: {address: 10.9.1.1/24}}")
    plan, changed, again = rscvm(site, "plan", path), rscvm(site, "apply", path), rscvm(site, "plan", path)

    assert (made.returncode, up, changed.returncode) == (0, True, 0), made.stderr + changed.stderr
    assert "-   uplink nic0\n" in plan.stdout
    assert "-   address 10.9.0.1/24\n" in plan.stdout
    assert "fe80" not in plan.stdout
    assert again.stdout == "nothing to change\n"
    assert addresses(site, "br0") == ["10.9.1.1"]
    assert site.remote.links()["br0"]["mtu"] == 1500
    assert (master(site, "nic0"), "UP" in site.remote.links()["nic0"]["flags"]) == ("", False)

    bridge(site, "nic0")
    assert rscvm(site, "apply", path).returncode == 0
    lab(site, "    bridges: {br0: {}}")
    down = rscvm(site, "down", path)

    assert down.returncode == 0, down.stderr
    assert "br0" not in site.remote.links()
    assert "UP" not in site.remote.links()["nic0"]["flags"]
    before.holds()

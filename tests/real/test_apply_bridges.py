"""Bridges with an uplink, over real SSH: made, put right, and taken back by the host where that cuts it off."""

from __future__ import annotations

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


@pytest.mark.parametrize("there", [False, True])
def test_a_bridge_that_takes_the_nic_by_which_we_came_is_taken_back_by_the_host(
    site: Site, before: Before, *, there: bool
) -> None:
    """Also one of ours that is there and gets another uplink.

    What comes in by the bridge is not where the way back leads, which a strict rp_filter does not let pass.
    """
    site.remote.output(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter"])
    if there:
        assert rscvm(site, "apply", bridge(site, "nic0")).returncode == 0
    bridge(site, "wire")

    refused(site, "its own undo has put back what was found, which was read back")

    assert master(site, "wire") == ""
    assert ("br0" in site.remote.links()) is there
    assert rscvm(site, "down", bridge(site, "nic0" if there else "wire")).returncode == 0
    before.holds()

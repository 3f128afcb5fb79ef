"""A .link file keeps a NIC's settings, and everything else as the host has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.ethtool_coalesce import parse_coalesce
from provision.facts.link_file import parse_link_options, parse_permanent_mac
from provision.lab.spec import HostNic, LabFile
from provision.render.link_file import (
    DEFAULT_NAMING,
    KeptNic,
    carried_options,
    link_file,
    link_file_head,
    link_path,
    link_refusals,
)
from provision.runtime.errors import UnreadableError
from provision.tables.link_options import COALESCE, FEATURES
from tests.builders import features
from tests.strategies import bounded

Read = Callable[[str], str]
MAC = "52:54:00:12:34:56"


def settings(coalesce: dict[str, Any] | None = None, **switches: bool) -> HostNic:
    """A NIC's settings as a lab file gives them; `_` in a feature's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in switches.items()}
    nic = {"features": named, "coalesce": coalesce or {}, "persist": "link"}
    data = {"version": 1, "hosts": {"hv1": {"address": "hv1", "nics": {"eno1": nic}}}}
    return LabFile.model_validate(data).hosts["hv1"].nics["eno1"]


def kept(nic: HostNic, *, name: str = "eno1") -> KeptNic:
    return KeptNic("lab", "hv1", name, MAC, nic)


def link_section(text: str) -> dict[str, str]:
    return dict(parse_link_options(text))


def test_the_file_of_the_readmes_nic(golden: Callable[[str, str], None]) -> None:
    nic = settings({"adaptive-rx": False, "rx-usecs": 3}, generic_receive_offload=True)

    golden("links/eno1.link", link_file(kept(nic)))


def test_a_nic_is_known_by_its_permanent_address_never_by_a_name() -> None:
    text = link_file(kept(settings(generic_receive_offload=True)))

    assert f"\n[Match]\nPermanentMACAddress={MAC}\n\n[Link]\n" in text
    assert "OriginalName" not in text


def test_naming_stays_as_the_hosts_own_file_has_it() -> None:
    own = (("NamePolicy", "mac"), ("AlternativeName", "a"), ("AlternativeName", "b"), ("Duplex", "full"))
    text = link_file(kept(settings(generic_receive_offload=True)), own)

    assert parse_link_options(text) == (*own, ("GenericReceiveOffload", "yes"))


def test_what_the_lab_file_says_replaces_what_the_hosts_file_said() -> None:
    own = (*DEFAULT_NAMING, ("GenericReceiveOffload", "no"))
    text = link_file(kept(settings(generic_receive_offload=True)), own)

    assert parse_link_options(text) == (*DEFAULT_NAMING, ("GenericReceiveOffload", "yes"))


def test_made_again_from_itself_a_file_stays_the_same_and_forgets_what_is_no_longer_said() -> None:
    both = kept(settings({"rx-usecs": 3}, generic_receive_offload=True))
    one = kept(settings({"rx-usecs": 3}))

    assert link_file(both, carried_options(link_file(both))) == link_file(both)
    assert link_file(one, carried_options(link_file(both))) == link_file(one)


def test_times_have_their_unit() -> None:
    nic = settings({"rx-usecs": 3, "tx-usecs": 0, "sample-interval": 2, "rx-frames": 16, "adaptive-tx": True})
    said = link_section(link_file(kept(nic)))

    assert (said["RxCoalesceSec"], said["TxCoalesceSec"]) == ("3us", "0us")
    assert said["CoalescePacketRateSampleIntervalSec"] == "2s"
    assert (said["RxMaxCoalescedFrames"], said["UseAdaptiveTxCoalesce"]) == ("16", "yes")


def test_tso_is_both_families_and_one_family_may_differ() -> None:
    nic = settings(tcp_segmentation_offload=True, tx_tcp6_segmentation=False)
    said = link_section(link_file(kept(nic)))

    assert (said["TCPSegmentationOffload"], said["TCP6SegmentationOffload"]) == ("yes", "no")


def test_what_ethtool_prints_in_the_singular_is_kept_as_well() -> None:
    nic = settings({"rx-frame-low": 2})

    assert not link_refusals(nic)
    assert link_section(link_file(kept(nic)))["RxMaxCoalescedLowFrames"] == "2"


@pytest.mark.parametrize(
    ("coalesce", "switches", "why"),
    [
        ({"cqe-mode-rx": True}, {}, "no option"),
        ({"tx-aggr-time-usecs": 5}, {}, "no option"),
        ({}, {"receive_hashing": True}, "no option"),
        ({}, {"tx_nocache_copy": False}, "no option"),
        ({}, {"tcp_segmentation_offload": False}, "tx-tcp-segmentation and tx-tcp6-segmentation can be kept"),
        ({"adaptive-rx": 1}, {}, "true or false"),
        ({"rx-usecs": True}, {}, "a number"),
        ({"sample-interval": 0}, {}, "1 to 4294"),
        ({"sample-interval": 4295}, {}, "1 to 4294"),
        ({"stats-block-usecs": 0}, {}, "1 to"),
        ({"rx-frames": 3}, {}, "RxMaxCoalescedFrames= since version 250, and this is 249"),
        ({}, {"rx_gro_hw": True}, "since version 250"),
        ({}, {"scatter_gather": True}, "ScatterGather= and ScatterGatherFragmentList= since version 260"),
    ],
)
def test_what_systemd_cannot_keep_is_refused(coalesce: dict[str, Any], switches: Any, why: str) -> None:
    ((name, reason),) = link_refusals(settings(coalesce, **switches), 249).items()

    assert why in reason
    assert name.partition(".")[2] in {*coalesce, *(switch.replace("_", "-") for switch in switches)}


def test_without_a_version_only_what_none_can_keep_is_refused() -> None:
    assert not link_refusals(settings({"rx-usecs": 3}, scatter_gather=True, generic_receive_offload=True))
    assert [*link_refusals(settings({"cqe-mode-tx": False}))] == ["coalesce.cqe-mode-tx"]


def test_every_feature_of_the_table_is_one_that_ethtool_prints() -> None:
    assert {row.name for row in FEATURES} <= features("negotiated-by-linux").keys()


def test_every_coalescing_parameter_of_every_version_has_a_row(fixture_text: Read) -> None:
    assert {row.name for row in COALESCE} == parse_coalesce(
        fixture_text("composed/coalesce-ioctl.txt")
    ).keys()


def test_a_group_stands_before_its_kinds() -> None:
    for at, row in enumerate(FEATURES):
        for kind in FEATURES[:at]:
            assert len(row.options) == 1 or not {*kind.options} <= {*row.options}


def test_paths_are_plain_and_say_whose_they_are() -> None:
    assert link_path("lab-1", "eno1") == "/etc/systemd/network/10-rscvm-lab-1-eno1.link"
    assert link_path("lab", "a;b-c$é") == "/etc/systemd/network/10-rscvm-lab-a=3bb=2dc=24=c3=a9.link"


names = st.text("ab-.=2d;$'\\", min_size=1, max_size=6)


@given(names, names, names, names)
@bounded(300)
def test_no_two_nics_have_one_path(lab: str, nic: str, other: str, other_nic: str) -> None:
    path = link_path(lab, nic)

    assert re.fullmatch(r"/etc/systemd/network/10-rscvm-[A-Za-z0-9._=-]+\.link", path)
    assert (path == link_path(other, other_nic)) is ((lab, nic) == (other, other_nic))


@given(st.text(min_size=1, max_size=15), st.booleans())
@bounded(200)
def test_no_name_breaks_out_of_its_comment(name: str, on: bool) -> None:  # noqa: FBT001
    text = link_file(KeptNic("lab", "hv1", name, MAC, settings(generic_receive_offload=on)))

    assert text.startswith(f"{link_file_head('lab', 'hv1', name)}\n#")
    assert [line for line in text.splitlines() if line and not line.startswith("#")][1] == (
        f"PermanentMACAddress={MAC}"
    )
    assert parse_link_options(text)[-1] == ("GenericReceiveOffload", "yes" if on else "no")


def test_systemds_own_default_is_read(fixture_text: Read) -> None:
    assert parse_link_options(fixture_text("systemd-252/99-default.link")) == DEFAULT_NAMING
    assert carried_options(fixture_text("systemd-252/73-usb-net-by-mac.link")) == (("NamePolicy", "mac"),)


def test_drop_ins_that_follow_in_the_text_are_read_too(fixture_text: Read) -> None:
    text = fixture_text("systemd-252/99-default.link") + "[Link]\nMTUBytes = 9000\n"

    assert parse_link_options(text) == (*DEFAULT_NAMING, ("MTUBytes", "9000"))


def test_lines_are_joined_and_comments_left_out_as_systemd_does() -> None:
    text = "# a \\\n[Link]\nNamePolicy=keep \\\n; no\n  path\nDescription=\n"

    assert parse_link_options(text) == (("NamePolicy", "keep  path"), ("Description", ""))


@pytest.mark.parametrize("text", ["", "# nothing", "NamePolicy=mac", "[Link]\nNamePolicy", "[Link", "{"])
def test_what_is_no_link_file_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_link_options(text)


def test_a_tap_has_no_permanent_address(fixture_text: Read) -> None:
    assert not parse_permanent_mac(fixture_text("ethtool-6.1/permanent-tap.txt"))
    assert parse_permanent_mac(f"Permanent address: {MAC}\n") == MAC


@pytest.mark.parametrize("text", ["", "Permanent address: ", "Permanent address: 52:54\n", f"{MAC}\n"])
def test_what_is_no_permanent_address_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_permanent_mac(text)


def test_only_switching_off_a_group_is_refused_for_what_systemd_misses_of_it() -> None:
    refused = {(row.name, on) for row in FEATURES for on in (True, False)
               if link_refusals(HostNic(features={row.name: on}))}  # fmt: skip

    assert refused == {("tcp-segmentation-offload", False)}

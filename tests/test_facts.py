"""Parsers give facts out of captured output, or UnreadableError with the text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.facts.accelerators import Failed, kept_accelerators, parse_accelerators, written_accelerators
from provision.facts.domain import parse_domain
from provision.facts.ethtool_features import Feature, parse_features
from provision.facts.ip import parse_links
from provision.facts.processes import parse_processes
from provision.facts.qemu import parse_device_help, parse_image_info, parse_version
from provision.facts.virtio import parse_virtio_status
from provision.host.journal import Journal, Thing, parse_journal, written_journal
from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.runtime.errors import UnreadableError
from provision.tables.offloads import OFFLOADS
from tests.builders import FIXTURES, features, one_vm, virtio

Read = Callable[[str], str]

STATES = ("linux", "no-driver", "driver-without-tso", "guest-dropped-rsc", "rsc-false", "hck-driver")


def test_features_keep_ethtools_three_words() -> None:
    assert features("host-tx-off")["tx-tcp-segmentation"] == Feature(
        active=False, requested=True, fixed=False
    )


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (Feature(active=True, requested=True, fixed=False), "on"),
        (Feature(active=False, requested=True, fixed=False), "off [requested on]"),
        (Feature(active=False, requested=False, fixed=True), "off [fixed]"),
        (Feature(active=True, requested=None, fixed=None), "on"),
    ],
)
def test_features_print_as_ethtool_prints_them(feature: Feature, words: str) -> None:
    assert str(feature) == words


def test_a_name_with_an_apostrophe_is_read_as_ethtool_prints_it() -> None:
    text = r'[{"ifname": "a;b$(x)\'&|", "rx-gro-hw": {"active": true, "fixed": false, "requested": true}}]'

    assert list(parse_features(text)) == ["a;b$(x)'&|"]
    assert list(parse_features(text.replace(r"\'", r"\\\\"))) == ["a;b$(x)" + "\\" * 2 + "&|"]


def test_links_know_our_tap(fixture_text: Read) -> None:
    links = parse_links(fixture_text("iproute2-6.1/links.json"))

    assert (links["tap0"].tap, links["tap0"].vnet_hdr, links["tap0"].multi_queue) == (True, True, False)
    assert links["tap0"].master == "br-lab"
    assert links["tap0"].alias.startswith("rscvm lab m1 net0 ")
    assert (links["br-lab"].kind, links["br-lab"].addresses[:1]) == ("bridge", ("10.9.0.1/24",))


def test_virtio_status_tells_what_the_driver_took() -> None:
    stock, declining = virtio("linux"), virtio("driver-without-tso")

    assert stock.driver_ok
    assert "VIRTIO_NET_F_GUEST_TSO4" in stock.negotiated
    assert "VIRTIO_NET_F_GUEST_TSO4" in declining.offered - declining.negotiated


def test_every_offload_of_this_qemu_has_the_name_that_qemu_prints() -> None:
    printed = virtio("hck-driver").offered

    assert {row.virtio for row in OFFLOADS if row.everywhere} <= printed


@pytest.mark.parametrize("name", STATES)
def test_generations_of_qemu_tell_the_same_of_what_matters(name: str) -> None:
    told = {row.virtio for row in OFFLOADS if row.everywhere}
    older, newer = virtio(name), virtio(name, "10.0.13")

    assert (newer.offered & told, newer.negotiated & told) == (older.offered & told, older.negotiated & told)
    assert (newer.status, newer.vhost) == (older.status, older.vhost)


def test_a_newer_qemu_tells_of_features_that_the_older_does_not_have() -> None:
    assert virtio("linux", "10.0.13").offered - virtio("linux").offered == {
        "VIRTIO_F_RING_RESET",
        "VIRTIO_NET_F_GUEST_USO4",
        "VIRTIO_NET_F_GUEST_USO6",
        "VIRTIO_NET_F_HOST_USO",
    }


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.glob("ethtool-6.14.2/tap-*.json")), ids=lambda path: path.stem
)
def test_generations_of_ethtool_tell_the_same_of_a_tap(path: Path) -> None:
    name = path.stem.removeprefix("tap-")

    assert features(name, "6.14.2") == features(name)


def test_a_newer_qemu_has_the_properties_of_the_older_and_more(fixture_text: Read) -> None:
    older = parse_device_help(fixture_text("qemu-7.2.22/device-help.txt"))
    newer = parse_device_help(fixture_text("qemu-10.0.13/device-help.txt"))

    assert older < newer
    assert {"guest_uso4", "guest_uso6", "host_uso"} <= newer - older


def test_every_offload_is_a_property_of_virtio_net_pci(fixture_text: Read) -> None:
    properties = parse_device_help(fixture_text("qemu-7.2.22/device-help.txt"))

    assert {row.name for row in OFFLOADS if row.everywhere} | {"rsc_interval"} <= properties
    assert not {row.name for row in OFFLOADS if not row.everywhere} & properties


def test_every_tap_feature_of_the_table_is_one_of_ethtools() -> None:
    assert {row.tap for row in OFFLOADS if row.tap} <= features("negotiated-by-linux").keys()


def test_versions_and_images_are_read(fixture_text: Read) -> None:
    for version in ("7.2.22", "10.0.13"):
        assert parse_version(fixture_text(f"qemu-{version}/version.txt")) == version
        assert parse_image_info(fixture_text(f"qemu-{version}/image-info.json")).format == "qcow2"


def test_a_domain_of_ours_reads_back() -> None:
    view = machine_view(one_vm("libvirt"), "vm")

    facts = parse_domain(domain_xml(view))

    assert facts.mark is not None
    assert (facts.mark.lab, facts.mark.machine, facts.mark.purpose) == ("lab", "vm", "production")
    assert facts.mark.nics == (("net0", "ua-net0", "true"),)
    assert facts.uuid == view.uuid
    assert [(nic.kind, nic.model, nic.alias, nic.target) for nic in facts.nics] == [
        ("bridge", "virtio", "ua-net0", "tap0")
    ]


def test_a_domain_with_an_entity_is_not_read(tmp_path: object) -> None:
    text = f'<!DOCTYPE d [<!ENTITY e SYSTEM "file://{tmp_path}">]><domain><name>&e;</name></domain>'

    with pytest.raises(UnreadableError):
        parse_domain(text)


def test_a_journal_reads_back() -> None:
    things = (Thing("tap", "tap0", "vm"), Thing("domain", "vm", "vm", "qemu:///system"))
    journal = Journal("/srv/lab.yaml", things, {"vm": {"memory": 1}}, {"vm": True})

    assert parse_journal(written_journal(journal)) == journal


def test_kvm_is_of_use_only_when_it_is_not_slower() -> None:
    assert parse_accelerators("tcg 590\nkvm 40\n").kvm_is_of_use
    assert not parse_accelerators("tcg 590\nkvm 3900\n").kvm_is_of_use
    assert not parse_accelerators("tcg 590\nkvm failed no such device\n").kvm_is_of_use


@pytest.mark.parametrize("kvm", ["failed no such device", "late it ran for 9 s", "3900"])
def test_a_kept_probe_holds_for_its_key_alone(kvm: str) -> None:
    probe = parse_accelerators(f"tcg 590\nkvm {kvm}\n")
    text = written_accelerators("boot qemu", probe)

    assert kept_accelerators("boot qemu", text) == probe
    assert kept_accelerators("other boot", text) is None
    assert kept_accelerators("boot qemu", "half") is None


_GARBAGE = [
    "",
    "{",
    "[1]",
    '[{"ifname": 5}]',
    '{"a": 1}',
    "null",
    '[{"ifname": "a", "tso": {"active": "on"}}]',
    "[" * 9999,
]


@pytest.mark.parametrize("text", _GARBAGE)
@pytest.mark.parametrize(
    "parse",
    [
        parse_features,
        parse_image_info,
        parse_version,
        parse_device_help,
        parse_accelerators,
        lambda text: parse_virtio_status(_data(text)),
        parse_domain,
        lambda text: parse_links(text or "{"),
        lambda text: parse_processes(text or "x"),
        parse_journal,
    ],
)
def test_what_is_not_the_tools_output_is_unreadable(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(UnreadableError):
        parse(text)


def _data(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@pytest.mark.parametrize("octets", [10**400, -1])
def test_a_counter_that_no_kernel_has_is_unreadable(octets: int) -> None:
    link = {"ifname": "a", "flags": [], "mtu": 1500, "stats64": {"tx": {"bytes": octets}}}

    with pytest.raises(UnreadableError):
        parse_links(json.dumps([link]))


def test_what_ip_does_not_tell_of_a_device_is_nothing(fixture_text: Read) -> None:
    [bare] = parse_links('[{"ifname": "eth0", "flags": [], "mtu": 1500}]').values()

    assert (bare.sent_bytes, bare.sent_packets, bare.received_bytes, bare.received_packets) == (0, 0, 0, 0)
    assert (bare.tap, bare.multi_queue, bare.up, bare.carrier) == (False, False, False, False)
    assert parse_links(fixture_text("iproute2-6.1/links.json"))["br-lab"].filters == ()


def test_a_bridges_filters_are_those_of_its_switches_that_are_on() -> None:
    data = {"stp_state": 1, "nf_call_iptables": 1, "nf_call_ip6tables": 0}
    link = {"ifname": "br0", "flags": [], "mtu": 1500, "linkinfo": {"info_kind": "bridge", "info_data": data}}

    assert parse_links(json.dumps([link]))["br0"].filters == ("nf_call_iptables",)


@pytest.mark.parametrize("line", ["42\tqemu -pidfile a", "42\t!!!!", "42 cWVtdQA=", "pid\tcWVtdQA="])
def test_a_line_that_is_no_pid_and_base64_is_unreadable(line: str) -> None:
    with pytest.raises(UnreadableError):
        parse_processes(line)


def test_only_a_probe_that_said_so_was_late() -> None:
    words = {
        "late": Failed("it took too long", late=True),
        "failed": Failed("it took too long"),
        "denied": Failed("it took too long", denied=True),
        "strange": Failed("strange it took too long"),
    }
    for kind, expected in words.items():
        found = parse_accelerators(f"tcg 590\nkvm {kind} it took too long\n").kvm
        assert found == expected
        assert isinstance(found, Failed)
        assert found.late is (kind == "late")
    old = kept_accelerators("0.1.0", '{"key": "0.1.0", "tcg": 590, "kvm": "no such device"}')
    assert old is not None
    assert isinstance(old.kvm, Failed)
    assert (old.kvm.words, old.kvm.late) == ("no such device", False)


@pytest.mark.parametrize(
    ("models", "alias", "asked"),
    [
        (["virtio", "e1000e"], "net0", [True, False]),
        (["e1000e", "virtio"], "net0", [False, True]),
        (["virtio", "virtio"], "net0", [False, False]),
        (["e1000e"], "net0", [False]),
        (["virtio", "virtio"], "ua-1", [False, True]),
    ],
)
def test_an_override_of_no_devices_alias_counts_for_the_one_nic_that_it_can_mean(
    models: list[str], alias: str, asked: list[bool]
) -> None:
    nics = "".join(
        f"<interface type='user'><model type='{model}'/><alias name='ua-{at}'/></interface>"
        for at, model in enumerate(models)
    )
    rsc_ext = f"<q:device alias='{alias}'><q:frontend><q:property name='guest_rsc_ext' type='bool' value='true'/></q:frontend></q:device>"
    space = "xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'"
    xml = f"<domain><devices>{nics}</devices><q:override {space}>{rsc_ext}</q:override></domain>"

    assert [nic.rsc_asked for nic in parse_domain(xml).nics] == asked

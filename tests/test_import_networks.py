"""What a domain's NICs are on, carried over into a lab file, and what cannot be and is said."""

from __future__ import annotations

import pytest

from provision.runtime.protocols import Domain
from provision.verbs.importer.import_domain import Imported, import_domain
from tests.builders import lab_of
from tests.domains import HERE, NIC, SMALL, domain_of, small

LIVE = NIC.replace("<source bridge='br0'/>", "<source network='lan' portid='p' bridge='virbr7'/>")
DIRECT = NIC.replace("bridge'>", "direct'>").replace(
    "<source bridge='br0'/>", "<source network='lan' portid='p' dev='eno1' mode='bridge'/>"
)
STILL = NIC.replace("bridge'>", "network'>").replace("<source bridge='br0'/>", "<source network='lan'/>")


def networked(live: str, state: str) -> Imported:
    still, running = (
        SMALL.replace("DEVICES", text.replace("MORE", "<model type='virtio'/>")) for text in (STILL, live)
    )
    return import_domain(domain_of(still, running, state), HERE)


@pytest.mark.parametrize(("live", "state"), [(LIVE, "running"), (STILL, "off")])
def test_a_libvirt_network_stays_one_whether_the_domain_runs_or_not(live: str, state: str) -> None:
    imported = networked(live, state)

    assert lab_of(imported.text).machines["vm"].nics[0].network == "lan"
    assert not any("source" in note.path for note in imported.notes)


def test_a_libvirt_network_without_taps_becomes_the_macvtap_that_the_running_domain_has() -> None:
    imported = networked(DIRECT, "running")

    assert lab_of(imported.text).machines["vm"].nics[0].macvtap == "eno1"
    assert "macvtap: eno1 # libvirt's network lan" in imported.text
    assert any("a lab file's networks have TAPs" in note.why for note in imported.notes)


ONE, TWO = "<vlan><tag id='10'/></vlan>", "<vlan trunk='yes'><tag id='10'/><tag id='11'/></vlan>"
NATIVE = "<vlan trunk='yes'><tag id='10' nativeMode='untagged'/></vlan>"
OVS = "<virtualport type='openvswitch'><parameters interfaceid='i'/></virtualport>"


@pytest.mark.parametrize(
    ("more", "vlan", "listed"),
    [
        (OVS, None, ""),
        (OVS + ONE, 10, ""),
        (OVS + TWO, None, "a lab file's NIC has one VLAN, and no trunk"),
        (OVS + NATIVE, None, "a lab file's NIC has one VLAN, and no trunk"),
        (ONE, None, "a lab file's VLANs are for bridges of Open vSwitch's"),
    ],
)
def test_a_port_of_open_vswitchs_keeps_its_vlan_and_what_a_lab_file_cannot_say_is_listed(
    more: str, vlan: int | None, listed: str
) -> None:
    imported = small(NIC.replace("MORE", f"{more}<model type='virtio'/>"))
    [nic] = lab_of(imported.text).machines["vm"].nics
    notes = {note.path.rpartition("]/")[2]: note.why for note in imported.notes if "interface" in note.path}

    assert (nic.bridge, nic.vlan) == ("br0", vlan)
    assert [why for path, why in notes.items() if path.startswith("vlan")] == [listed] * bool(listed)
    assert [path for path in notes if path.startswith("virtualport")] == ["virtualport/parameters"] * (
        OVS in more
    )


def test_a_transient_domain_is_read_as_it_runs() -> None:
    xml = SMALL.replace("DEVICES", LIVE.replace("MORE", "<target dev='vnet3'/><model type='virtio'/>"))

    imported = import_domain(Domain("vm", "running", xml, ""), HERE)

    assert lab_of(imported.text).machines["vm"].nics[0].network == "lan"
    assert "vnet3" not in imported.text
    assert "as it runs" in imported.text


@pytest.mark.parametrize("kind", ["hostdev", "vhostuser", "vdpa", "mcast"])
def test_a_nic_that_cannot_be_had_is_left_out_and_the_rest_is_imported(kind: str) -> None:
    other = NIC.replace("bridge'>", f"{kind}'>", 1).replace("00:01", "00:02").replace("MORE", "")
    imported = small(other + NIC.replace("MORE", "<model type='virtio'/>"))

    assert [nic.mac for nic in lab_of(imported.text).machines["vm"].nics] == ["52:54:00:00:00:01"]
    note = next(note for note in imported.notes if note.path == "devices/interface[52:54:00:00:00:02]")
    assert note.why == f"a lab file has no NIC of type {kind}: it is left out"


def test_a_macvtap_whose_device_libvirts_schema_refuses_is_left_out_and_said() -> None:
    direct = NIC.replace("type='bridge'", "type='direct'").replace(
        "bridge='br0'", "dev='DEVICE' mode='bridge'"
    )
    whole = small(direct.replace("DEVICE", "enp3s0.7").replace("MORE", "<model type='virtio'/>"))
    assert lab_of(whole.text).machines["vm"].nics[0].macvtap == "enp3s0.7"

    refused = small(direct.replace("DEVICE", "e,1").replace("MORE", "<model type='virtio'/>"))
    assert lab_of(refused.text).machines["vm"].nics == ()
    assert any("must be of letters, digits" in note.why for note in refused.notes)

"""What QEMU's engine does to frames reaches nothing else: refused in lab files, refused on hosts, and never rendered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from provision.facts.domain import parse_domain
from provision.facts.ip import Link
from provision.host.journal import Journal
from provision.host.marks import device_mark
from provision.host.state import HostState
from provision.lab.derived import derived_bridge, derived_mac
from provision.lab.identity import spec_as_noted
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.render.view import Choices, machine_view
from provision.runtime.errors import LabFileError
from tests.hosts import EMPTY, lacking
from tests.labs import HOST, NIC, ROLE, ROLES, dut_only, hlk, load, machine, networks, refused
from tests.options import HCK_FLAGS, command_line
from tests.strategies import bounded, lab_files, loaded

ENGINE = f"e: {{{ROLE}, purpose: hck, nics: [{{bridge: b, rsc: hck}}]}}"
WIRE = derived_bridge("lab", "r", "test")
MAC = derived_mac("lab", "r-dut", "test")
ON_THE_WIRE = f"machines:\n  m: {{{ROLE}, purpose: hck, nics: [{{bridge: {WIRE}, rsc: off}}]}}\n"

REFUSED = {
    f"machines: {{{ENGINE}, m: {{{ROLE}, nics: [{{bridge: b}}]}}}}": (
        f"{NIC}.bridge",
        "b carries e.nics[0], which is `rsc: hck`: only machines of `purpose: hck` may be on it",
    ),
    f"machines: {{{ENGINE}, m: {{{ROLE}, nics: [{{bridge: b, model: e1000e}}]}}}}": (f"{NIC}.bridge", "only"),
    f"machines: {{{ENGINE}, m: {{{ROLE}, nics: [{{macvtap: b}}]}}}}": (
        f"{NIC}.macvtap",
        "b carries e.nics[0]",
    ),
    f"machines: {{e: {{{ROLE}, purpose: hck, nics: [{{tap: on, ifname: t0, rsc: hck}}]}}, m: {{{ROLE}, nics: "
    "[{macvtap: t0}]}}": (f"{NIC}.macvtap", "t0 carries e.nics[0]"),
    f"hosts: {{local: {{bridges: {{b: {{uplink: t0}}}}}}}}\nmachines: {{e: {{{ROLE}, purpose: hck, nics: "
    "[{tap: on, ifname: t0, rsc: hck}]}}": ("hosts.local.bridges.b.uplink", "t0 is the TAP of e.nics[0]"),
    f"hosts: {{local: {{bridges: {{b: {{uplink: eno1}}}}}}}}\nmachines: {{{ENGINE}}}": (
        "hosts.local.bridges.b.uplink",
        "it must have no uplink",
    ),
    dut_only(ROLES) + ON_THE_WIRE: (
        f"{NIC}.bridge",
        f"{WIRE} is the test bridge of labs.r, and its machines' alone",
    ),
    dut_only(ROLES) + f"hosts: {{local: {{bridges: {{{WIRE}: {{address: 10.0.0.1/8}}}}}}}}": (
        f"hosts.local.bridges.{WIRE}",
        "is the test bridge that labs.r makes: it has neither address nor uplink",
    ),
    dut_only(f"dut: {{{ROLE}, machine: pc}}"): ("labs.r.dut.machine", "must be a q35 with `test: rsc`"),
    dut_only(ROLES) + machine(f"nics: [{{tap: on, mac: '{MAC}'}}]"): (
        "labs.r.dut",
        f"nics[1]: {MAC} is already that of m.nics[0]",
    ),
}

ACCEPTED = [
    f"machines: {{{ENGINE}, m: {{{ROLE}, purpose: hck, nics: [{{bridge: b}}]}}}}",
    f"machines: {{{ENGINE}, m: {{{ROLE}, nics: [{{bridge: c}}]}}}}",
    f"{HOST}machines: {{{ENGINE}, m: {{{ROLE}, host: h, nics: [{{bridge: b}}]}}}}",
    f"hosts: {{local: {{bridges: {{c: {{uplink: eno1}}}}}}}}\nmachines: {{{ENGINE}}}",
    dut_only(f"test: none, dut: {{{ROLE}, machine: pc}}"),
]


@pytest.mark.parametrize(("text", "path", "why"), [(text, *row) for text, row in REFUSED.items()])
def test_a_lab_file_that_lets_the_engine_out_is_refused_at_its_place(text: str, path: str, why: str) -> None:
    assert path in {fault.path for fault in refused(text) if why in fault.message}


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_is_apart_from_the_engine_is_accepted(text: str) -> None:
    assert load(text).version == 1


LAB = hlk("qemu")
_, TEST = networks(LAB)
DUT, SUPPORT = (LAB.machines[name].nics[1].ifname for name in ("rsc-dut", "rsc-support"))


def port(name: str, *, kind: str = "tun", tap: bool = True, alias: str = "") -> Link:
    return Link(name, kind, alias, up=True, mtu=1500, master=TEST, tap=tap)


def host(*ports: Link, kind: str = "bridge", journal: Journal | None = None) -> HostState:
    """A host whose test bridge has these ports."""
    bridge = Link(TEST, kind, device_mark(LAB, "", TEST), up=True, mtu=1500, master="")
    links = {link.name: link for link in (bridge, *ports)}
    return replace(EMPTY, links=links, journal=journal or Journal())


def noted(name: str, purpose: str) -> Journal:
    """A journal by which a machine was last started with this purpose."""
    return Journal(LAB.file, specs={name: {**spec_as_noted(LAB.machines[name]), "purpose": purpose}})


def why_refused(found: HostState, name: str = "rsc-dut") -> list[str]:
    return [sentence for sentence in lacking(LAB, [name], found) if "rsc: hck" in sentence]


INTRUDERS: dict[str, tuple[HostState, str]] = {
    "a physical NIC": (host(port("eno1", kind="", tap=False)), "has an uplink: eno1 (a physical NIC)"),
    "a bond": (host(port("bond0", kind="bond", tap=False)), "has an uplink: bond0 (bond)"),
    "a VLAN": (host(port("eno1.5", kind="vlan", tap=False)), "has an uplink: eno1.5 (vlan)"),
    "a container": (host(port("veth7", kind="veth", tap=False)), "has an uplink: veth7 (veth)"),
    "a TUN": (host(port("tun0", tap=False)), "has an uplink: tun0 (tun)"),
    "somebody's TAP": (
        host(port("vnet3")),
        "carries vnet3, and nothing says that its machine is `purpose: hck`",
    ),
    "another lab's TAP": (
        host(port(SUPPORT, alias="rscvm other rsc-support test 0123456789ab")),
        f"carries {SUPPORT}, and nothing says",
    ),
    "a machine that was production": (
        host(port(SUPPORT), journal=noted("rsc-support", "production")),
        f"carries {SUPPORT} of rsc-support, which is `purpose: production`",
    ),
    "a VLAN over it": (
        host(replace(port("v5", kind="vlan", tap=False), master="", lower=TEST)),
        "is under v5 (vlan), which leads elsewhere",
    ),
    "Open vSwitch": (host(kind="openvswitch"), "what else it carries cannot be seen"),
}


@pytest.mark.parametrize("what", INTRUDERS)
def test_up_refuses_the_engine_on_a_bridge_with(what: str) -> None:
    found, why = INTRUDERS[what]

    assert (
        why_refused(found) == [f"rsc-dut.test is `rsc: hck`, and {TEST} {why}"]
        or why in why_refused(found)[0]
    )
    assert why_refused(found, "rsc-support") == []


def test_up_allows_the_engine_among_machines_that_are_for_it() -> None:
    mark = device_mark(LAB, "rsc-support", "test")

    assert why_refused(EMPTY) == []
    assert why_refused(host(port(DUT), port(SUPPORT, alias=mark))) == []
    assert why_refused(host(port(DUT), journal=noted("rsc-dut", "production"))) == []
    elsewhere = replace(port("eno1", kind="", tap=False), master="br0")
    assert why_refused(host(elsewhere)) == []


def test_a_tap_of_its_own_that_somebody_has_bridged_is_looked_at_where_it_is() -> None:
    lab = load(machine("backend: qemu, purpose: hck, nics: [{tap: on, rsc: hck, ifname: t0}]"))
    links = {"t0": port("t0"), TEST: host().links[TEST], "eno1": port("eno1", kind="", tap=False)}

    assert f"{TEST} has an uplink: eno1" in " ".join(lacking(lab, ["m"], replace(EMPTY, links=links)))


def test_a_tap_of_the_engine_under_something_is_refused() -> None:
    lab = load(machine("backend: qemu, purpose: hck, nics: [{tap: on, rsc: hck, ifname: t0}]"))
    over = replace(port("mv0", kind="macvtap"), master="", lower="t0")
    found = replace(EMPTY, links={"t0": replace(port("t0"), master=""), "mv0": over})

    assert "m.net0 is `rsc: hck`, and its TAP t0 is under mv0 (macvtap), which leads elsewhere" in lacking(
        lab, ["m"], found
    )


def test_a_production_machine_does_not_join_an_engine_that_runs_whoevers_it_is() -> None:
    """The lab file's own that was edited meanwhile, another lab file's, or one that rscvm knows nothing of."""
    now = load(f"machines: {{m: {{{ROLE}, nics: [{{bridge: b}}]}}}}")
    links = {"b": replace(host().links[TEST], name="b"), "t0": replace(port("t0"), master="b", carrier=True)}
    runs = replace(EMPTY, links=links, engines={"t0": "dut (process 7)"})
    why = "m.net0 is on b, which carries t0 of dut (process 7): that runs with QEMU's HCK engine"

    assert why in lacking(now, ["m"], runs)
    elsewhere = {**links, "t0": replace(links["t0"], master="other")}
    assert why not in lacking(now, ["m"], replace(runs, links=elsewhere))
    assert why not in lacking(now, ["m"], replace(runs, engines={}))


@st.composite
def tangled(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """Lab files whose NICs stand on few bridges, whoever they are; not all of them are accepted."""
    data = draw(lab_files(least_labs=1))
    wires = [derived_bridge("lab", name, "test") for name in data["labs"]]
    bridges = st.sampled_from([*wires, "br0"])
    for at in data["machines"].values():
        for nic in at["nics"]:
            if kind := {"bridge", "macvtap"} & nic.keys():
                nic[kind.pop()] = draw(bridges)
    data["machines"]["intruder"] = {
        "host": draw(st.sampled_from(["local", "hv1"])),
        "purpose": draw(st.sampled_from(["production", "hck"])),
        "guest": "linux",
        "memory": "1GiB",
        "nics": [{"bridge": draw(bridges)}],
    }
    if draw(st.integers(0, 3)) == 0:
        data["hosts"]["local"]["bridges"] = {draw(bridges): {"uplink": "eno9"}}
    return data


def engines(lab: Lab, chosen: Choices) -> set[tuple[str, str]]:
    """Machines and NICs that any of the rendered texts gives HCK flags; read from the texts alone."""
    found: set[tuple[str, str]] = set()
    for name in lab.machines:
        view = machine_view(lab, name, chosen)
        xml = domain_xml(view)
        found |= {(name, nic.alias) for nic in parse_domain(xml).nics if nic.rsc_asked}
        assert all(flag in xml for flag in HCK_FLAGS) or not any(flag in xml for flag in HCK_FLAGS)
        if line := command_line(view):
            devices = line.ids("-device").items()
            found |= {(name, id_) for id_, device in devices if set(device) & set(HCK_FLAGS)}
    return found


def assert_fenced(lab: Lab, chosen: Choices) -> None:
    armed = engines(lab, chosen)
    for name, alias in armed:
        assert lab.machines[name].purpose == "hck", alias
    bridges = {
        (lab.machines[name].host, str(source.get("bridge")))
        for name, alias in armed
        for nic in etree.fromstring(domain_xml(machine_view(lab, name, chosen)).encode()).iterfind(
            "devices/interface"
        )
        if (found := nic.find("alias")) is not None and found.get("name") == alias
        if (source := nic.find("source")) is not None
    }
    for at in lab.machines.values():
        for nic in at.nics:
            assert at.purpose == "hck" or not {(at.host, nic.bridge), (at.host, nic.macvtap)} & bridges
    for name, one in lab.hosts.items():
        assert not {(name, bridge) for bridge, said in one.bridges.items() if said.uplink} & bridges


@given(lab_files(most_labs=2) | tangled(), st.builds(Choices, st.booleans(), st.booleans()))
@bounded(80)
def test_no_accepted_lab_file_arms_a_production_machine_or_bridge(data: Any, chosen: Choices) -> None:
    try:
        lab = loaded(data)
    except LabFileError:
        return
    assert_fenced(lab, chosen)


def test_files_with_the_engine_are_among_those_that_are_tried() -> None:
    """What holds of no lab file with HCK flags would hold for nothing."""
    seen = {"armed": 0, "refused": 0}

    @given(tangled())
    @bounded(40)
    def count(data: Any) -> None:
        try:
            seen["armed"] += bool(engines(loaded(data), Choices(kvm=False, vhost=False)))
        except LabFileError:
            seen["refused"] += 1

    count()
    assert min(seen.values()) >= 1, seen

"""Hyper-V's enlightenments: which of them a machine gets on which host, in both forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.domain_compare import changed_by_hand
from provision.host.plan.up import plan_up
from provision.host.read.enlightenments import EnlightenmentQuestions
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.errors import LostError
from provision.tables.enlightenments import ASSUMED, ASSUMED_BY_0_1, BY_NAME, ENLIGHTENMENTS, chosen
from tests.builders import FakeEdges, FakeLibvirt, one_vm
from tests.hyperv_hosts import (
    EVERY_KVM,
    HOSTS,
    NESTED_INTEL,
    NEWER,
    TSC,
    said_by_xml,
    state_of,
    view_on,
    windows,
    with_parameter,
    without_kvm,
)
from tests.strategies import bounded

names = st.frozensets(st.sampled_from(sorted(BY_NAME)))


def cpu_words(view: MachineView) -> list[str]:
    argv = qemu_argv(replace(view, spec=view.spec.model_copy(update={"tpm": False})))
    return argv[argv.index("-cpu") + 1].split(",")


def said_by_argv(view: MachineView) -> list[str]:
    """The rows that a command line switches on."""
    flags = {row.flag: row.name for row in ENLIGHTENMENTS}
    return sorted(flags[word] for word in cpu_words(view) if word.startswith("hv-"))


EXPECTED = {
    "nothing": (frozenset(), frozenset()),
    "tcg": (frozenset(), frozenset()),
    "kvm without hyperv": (frozenset(), frozenset()),
    "old qemu": (EVERY_KVM, frozenset()),
    "9.0 intel": (EVERY_KVM | {"avic"}, EVERY_KVM | NEWER),
    "9.0 amd": (EVERY_KVM | {"avic"}, EVERY_KVM | NEWER),
    "11.3 intel": (EVERY_KVM | {"avic", "xmm_input"}, EVERY_KVM | NEWER),
    "11.3 amd": (EVERY_KVM | {"avic", "xmm_input"}, EVERY_KVM | NEWER),
    "11.9 intel": (EVERY_KVM | NEWER, EVERY_KVM | NEWER),
    "11.9 amd": (EVERY_KVM | NEWER, EVERY_KVM | NEWER),
}
"""By host: as libvirt's domain, and as a bare QEMU; where libvirt names all, the same."""
NESTED = {
    "nothing": (frozenset(), frozenset()),
    "tcg": (frozenset(), frozenset()),
    "kvm without hyperv": (frozenset(), frozenset()),
    "old qemu": (frozenset(), frozenset()),
    "9.0 intel": ({"evmcs"}, NESTED_INTEL),
    "9.0 amd": (frozenset(), NESTED_INTEL - {"evmcs"}),
    "11.3 intel": ({"evmcs", "emsr_bitmap"}, NESTED_INTEL),
    "11.3 amd": ({"emsr_bitmap"}, NESTED_INTEL - {"evmcs"}),
    "11.9 intel": (NESTED_INTEL, NESTED_INTEL),
    "11.9 amd": (NESTED_INTEL - {"evmcs"}, NESTED_INTEL - {"evmcs"}),
}
"""What `nested: true` adds to that."""


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("backend", ["libvirt", "qemu"])
@pytest.mark.parametrize("host", HOSTS)
def test_each_host_gives_each_backend_exactly_what_it_can_and_both_forms_say_the_same(
    host: str, backend: str, *, nested: bool
) -> None:
    at = ("libvirt", "qemu").index(backend)
    wanted = EXPECTED[host][at] | (NESTED[host][at] if nested else frozenset())

    view = view_on(HOSTS[host], windows(backend, nested=nested))

    assert said_by_xml(view) == said_by_argv(view) == sorted(wanted)


def test_every_fixture_is_a_host_of_the_table() -> None:
    assert EXPECTED.keys() == NESTED.keys() == HOSTS.keys()
    assert ASSUMED == EVERY_KVM
    assert {"reset", "reenlightenment"} == ASSUMED_BY_0_1 - EVERY_KVM


@pytest.mark.parametrize("backend", ["libvirt", "qemu"])
@pytest.mark.parametrize(
    ("host", "parameter", "lost"),
    [
        ("11.9 intel", "enable_apicv", {"avic"}),
        ("11.9 amd", "avic", {"avic"}),
        ("11.9 intel", "nested", NESTED_INTEL),
        ("11.9 amd", "nested", NESTED_INTEL),
    ],
)
def test_what_kvm_names_on_any_hardware_goes_by_the_module(
    host: str, parameter: str, lost: frozenset[str], backend: str
) -> None:
    there, lab = HOSTS[host], windows(backend, nested=True)

    whole, less = view_on(there, lab), view_on(with_parameter(there, parameter, "N"), lab)

    assert set(said_by_xml(whole)) - set(said_by_xml(less)) == set(said_by_xml(whole)) & lost != set()
    assert whole.features
    assert (less.features == whole.features) is (parameter != "nested")


def test_reenlightenment_comes_with_the_tsc_frequency_that_a_migration_needs_and_never_without() -> None:
    lab = windows("libvirt")
    told = view_on(replace(HOSTS["11.9 intel"], tsc=TSC), lab)
    untold = view_on(HOSTS["11.9 intel"], lab)

    assert set(said_by_xml(told)) - set(said_by_xml(untold)) == {"reenlightenment"}
    assert f'<timer name="tsc" frequency="{TSC}"/>' in domain_xml(told)
    assert f"tsc-frequency={TSC}" in cpu_words(told)
    assert "tsc" not in domain_xml(untold)
    assert not any("tsc" in word for word in cpu_words(untold))


@pytest.mark.parametrize(("host", "feature"), [("11.9 intel", "vmx"), ("11.9 amd", "svm")])
@pytest.mark.parametrize("guest", ["windows", "linux"])
def test_nested_asks_outright_for_what_a_hypervisor_in_the_guest_needs(
    host: str, feature: str, guest: str
) -> None:
    asked = view_on(HOSTS[host], windows("libvirt", nested=True, guest=guest))
    plain = view_on(HOSTS[host], windows("libvirt", guest=guest))

    assert f'<feature policy="require" name="{feature}"/>' in domain_xml(asked)
    assert f"{feature}=on" in cpu_words(asked)
    assert feature not in domain_xml(plain)
    assert f"{feature}=on" not in cpu_words(plain)


@pytest.mark.parametrize("guest", ["windows", "linux"])
def test_threads_are_seen_on_amd_by_topoext_and_on_intel_without(guest: str) -> None:
    for maker, threads in ((maker, threads) for maker in ("intel", "amd") for threads in (1, 2)):
        view = view_on(HOSTS[f"11.9 {maker}"], windows("qemu", guest=guest, threads=threads))
        wanted = maker == "amd" and threads == 2

        assert ('<feature policy="require" name="topoext"/>' in domain_xml(view)) is wanted
        assert ("topoext=on" in cpu_words(view)) is wanted


def test_without_kvm_a_machine_has_none_of_it_whatever_the_host_could() -> None:
    lab = windows("libvirt", nested=True)
    state = without_kvm(state_of(replace(HOSTS["11.9 intel"], tsc=TSC), lab))
    auto = lab.machines["vm"].model_copy(update={"accel": "auto"})
    lab = lab.model_copy(update={"machines": {"vm": auto}})

    [define, *_] = [step for step in plan_up(lab, "local", ["vm"], state).steps if step.what == "define vm"]

    assert not [line for line in define.diff if "hyperv" in line or "vmx" in line or '"tsc"' in line]


@given(can=names, nested=st.booleans(), intel=st.booleans())
@bounded(300)
def test_nothing_is_given_without_all_that_it_needs(
    can: frozenset[str], *, nested: bool, intel: bool
) -> None:
    rows = chosen(can, nested=nested, intel=intel)
    have = [row.name for row in rows]

    assert set(have) <= can
    for at, row in enumerate(rows):
        assert row.all_needs(intel=intel) <= set(have[:at])
        assert nested or not row.nested
        assert intel or not row.intel
    for row in ENLIGHTENMENTS:  # and nothing is left out that could be had
        if row.name in can - set(have):
            assert row.all_needs(intel=intel) - set(have) or not row.suits(nested=nested, intel=intel)


@given(
    can=names,
    features=st.none()
    | st.sampled_from([frozenset(), {"vmx"}, {"svm", "topoext"}, {"topoext"}]).map(frozenset),
    tsc=st.none() | st.just(TSC),
    nested=st.booleans(),
    kvm=st.booleans(),
)
@bounded(60)
def test_both_forms_say_the_same_of_any_host(
    can: frozenset[str], features: frozenset[str] | None, tsc: int | None, *, nested: bool, kvm: bool
) -> None:
    choices = Choices(kvm=kvm, vhost=False, enlightenments=can, features=features, tsc=tsc)
    view = machine_view(windows("qemu", nested=nested), "vm", choices)

    assert said_by_xml(view) == said_by_argv(view) == sorted(row.name for row in view.enlightenments)
    assert ("tsc-frequency" in str(cpu_words(view))) is ('name="tsc"' in domain_xml(view))
    assert kvm or not view.enlightenments


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("synic", "vpindex"), ("stimer", "synic"), ("stimer", "time"), ("stimer_direct", "stimer"), ("tlbflush", "vpindex"),
        ("ipi", "vpindex"), ("tlbflush_extended", "tlbflush"), ("tlbflush_direct", "vapic"), ("evmcs", "vapic"),
        ("avic", "synic"), ("emsr_bitmap", "evmcs"), ("tlbflush_direct", "evmcs"),
    ],
)  # fmt: skip
def test_what_qemu_and_its_advice_say_that_one_needs_is_held_to(name: str, without: str) -> None:
    """On Intel; what hangs on evmcs does so there alone."""
    every = frozenset(BY_NAME)
    intel, amd = (
        {row.name for row in chosen(every - {without}, nested=True, intel=intel)} for intel in (True, False)
    )

    assert name not in intel
    assert (name in amd) is (without == "evmcs")
    assert name in {row.name for row in chosen(every, nested=True, intel=True)}


def test_a_row_stands_below_what_it_needs_and_inner_ones_need_their_outer() -> None:
    for at, row in enumerate(ENLIGHTENMENTS):
        above = {other.name for other in ENLIGHTENMENTS[:at]}
        assert row.all_needs(intel=True) <= above
        assert {row.within} - {""} <= set(row.needs)
    assert chosen(ASSUMED, nested=False, intel=True) == tuple(row for row in ENLIGHTENMENTS if row.everywhere)


def notes(host: str, backend: str) -> tuple[str, ...]:
    lab = windows(backend)
    return plan_up(lab, "local", ["vm"], state_of(HOSTS[host], lab)).notes


@pytest.mark.parametrize(
    ("host", "backend", "said"),
    [
        ("nothing", "qemu", "vm: no Hyper-V enlightenments: qemu: Could not access KVM kernel module: No such file"),
        ("nothing", "libvirt", "vm: no Hyper-V enlightenments: no kvm for q35"),
        ("kvm without hyperv", "libvirt", "vm: no Hyper-V enlightenments: this host's KVM has none, or its QEMU cannot tell (before 6.1)"),
        ("old qemu", "libvirt", "vm: libvirt does not tell what of Hyper-V its QEMU has: taken for what every KVM has"),
        ("11.9 intel", "qemu", "vm: of Hyper-V it goes without reenlightenment (nobody tells the TSC's frequency)"),
        ("9.0 amd", "libvirt", "vm: of Hyper-V it goes without reenlightenment (nobody tells the TSC's frequency); tlbflush_extended, xmm_input (libvirt does not name it)"),
    ],
)  # fmt: skip
def test_plan_says_what_a_host_lacks_with_the_reason(host: str, backend: str, said: str) -> None:
    assert notes(host, backend) == (said,)


def test_plan_says_why_a_guest_cannot_nest() -> None:
    lab = windows("qemu", nested=True, guest="linux")
    there = with_parameter(HOSTS["11.9 amd"], "nested", "0")

    said = plan_up(lab, "local", ["vm"], state_of(there, lab)).notes

    assert said == ("vm: nested, and its guest cannot be a hypervisor: kvm_amd's nested is off",)


def test_a_machine_that_could_use_nothing_of_it_is_asked_nothing_for() -> None:
    tcg = one_vm(**{"guest: linux": "guest: windows", "accel": "nested: true\n    accel"})
    assert (tcg.machines["vm"].accel, tcg.machines["vm"].nested) == ("tcg", True)
    for lab in (one_vm(), windows("qemu", guest="linux"), tcg):
        assert EnlightenmentQuestions(FakeEdges(), lab, "local", {"vm": "qemu"}).questions == []


def test_a_libvirt_that_hangs_up_is_no_libvirt_without_kvm() -> None:
    class Lost(FakeLibvirt):
        def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
            raise LostError(f"{kind} {machine}")

    with pytest.raises(LostError):
        EnlightenmentQuestions(FakeEdges(daemon=Lost()), windows("libvirt"), "local", {"vm": "qemu"})


@pytest.mark.parametrize("row", ["vpindex", "evmcs"])
def test_what_somebody_has_taken_out_is_a_hand_edit(row: str) -> None:
    made = domain_xml(view_on(HOSTS["11.9 intel"], windows("libvirt", nested=True)))
    maimed = made.replace(f'<{row} state="on"/>', "")

    assert [found.path for found in changed_by_hand(made, maimed)] == [f"features/hyperv/{row}"]

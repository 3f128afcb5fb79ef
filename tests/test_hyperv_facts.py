"""What is told of a host's Hyper-V, KVM and TSC, as text."""

from __future__ import annotations

import pytest

from provision.facts.hyperv import (
    parse_cpu_expansion,
    parse_domain_capabilities,
    parse_kvm_module,
    parse_tsc_frequency,
)
from provision.runtime.errors import UnreadableError
from tests.hyperv_hosts import monitor_text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("/sys/module/kvm_intel/parameters/nested:N\n/sys/module/kvm_intel/parameters/enable_apicv:Y\n", (set(), False, True)),
        ("/sys/module/kvm_amd/parameters/nested:1\n/sys/module/kvm_amd/parameters/avic:0\n", ({"svm", "topoext"}, True, False)),
        ("/sys/module/kvm_amd/parameters/nested:0\n/sys/module/kvm_amd/parameters/avic:Y\n", ({"topoext"}, False, True)),
        ("/sys/module/kvm_intel/parameters/nested:1\n", ({"vmx"}, True, False)),
    ],
)  # fmt: skip
def test_the_module_is_read_as_any_kernel_prints_it(
    text: str, found: tuple[set[str], bool, bool] | None
) -> None:
    module = parse_kvm_module(text)

    assert (module and (set(module.features), module.nested, module.apicv)) == found


@pytest.mark.parametrize(
    ("counter", "found"),
    [
        ("<counter name='tsc' frequency='2993187000' scaling='yes'/>", 2_993_187_000),
        ("<counter name='tsc'/>", None),
        ("<counter name='tsc' frequency='-1'/>", None),
        ("<counter name='tsc' frequency='0'/>", None),
        ("", None),
    ],
)
def test_the_tsc_frequency_is_libvirts_or_none(counter: str, found: int | None) -> None:
    assert parse_tsc_frequency(f"<capabilities><host><cpu>{counter}</cpu></host></capabilities>") == found


@pytest.mark.parametrize(
    "text", ["", "<domain/>", "<!DOCTYPE x><domainCapabilities/>", "<domainCapabilities>"]
)
def test_what_is_no_capabilities_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_domain_capabilities(text)
    with pytest.raises(UnreadableError):
        parse_tsc_frequency(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"return": {}}\n',
        '{"id": "expansion", "error": {"class": "GenericError", "desc": "no"}}\n',
        '{"id": "expansion", "return": {"model": {"props": []}}}\n',
        "not JSON\n",
        "[" * 100_000,
        monitor_text("composed/cpu-expansion-kvm-intel.json") * 2,
    ],
)
def test_what_is_no_one_answer_of_qemu_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_cpu_expansion(text)

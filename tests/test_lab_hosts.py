"""What a lab file may not say of its hosts, where it is told, and what stands right beside it and is allowed."""

from __future__ import annotations

import pytest

from provision.runtime.errors import LabFileError
from tests.builders import lab_of


def host(declared: str, more: str = "") -> str:
    return f"version: 1\n{more}hosts: {{h: {{address: h, {declared}}}}}\n"


REFUSED = {
    "version: 1\nhosts: {h: {address: h}, local: {}, i: {}}\n": (
        "hosts.i.address",
        "is required for every host but",
    ),
    "version: 1\nhosts: {h: {address: h}, local: {port: 22}}\n": (
        "hosts.local.port",
        "has no meaning on local",
    ),
    host("bridges: {br0: {address: 999.9.0.1/24}}"): (
        "hosts.h.bridges.br0.address",
        "must be an address with its prefix length, such as 10.9.0.1/24, not",
    ),
    host("bridges: {br0: {address: 10.9.0.1/33}}"): (
        "hosts.h.bridges.br0.address",
        "must be an address with its prefix length",
    ),
    host("bridges: {br0: {uplink: eno1}, br1: {uplink: eno1}}"): (
        "hosts.h.bridges.br1.uplink",
        "eno1 is already the uplink of br0",
    ),
    host("bridges: {br0: {uplink: br0}}"): ("hosts.h.bridges.br0.uplink", "br0 is a bridge"),
    host("bridges: {br0: {}, br1: {uplink: br0}}"): ("hosts.h.bridges.br1.uplink", "br0 is a bridge"),
    host("bridges: {br0: {}}", "state_dir: s\n"): ("state_dir", "must be absolute: h is another host"),
    host("nics: {eno1: {}}", "state_dir: s\n"): ("state_dir", "must be absolute: h is another host"),
    host("nics: {e: {features: {tcp-segmentation-offload: off, tx-tcp-segmentation: on}}}"): (
        "hosts.h.nics.e.features.tx-tcp-segmentation",
        "cannot be on: tcp-segmentation-offload, which is off, has it",
    ),
    host("nics: {e: {coalesce: {rx-usecs: 30, adaptive-rx: on}}}"): (
        "hosts.h.nics.e.coalesce.rx-usecs",
        "has no meaning with adaptive-rx on",
    ),
}


@pytest.mark.parametrize(("text", "fault"), REFUSED.items())
def test_what_does_not_fit_is_told_where_it_stands(text: str, fault: tuple[str, str]) -> None:
    with pytest.raises(LabFileError) as caught:
        lab_of(text)

    [found] = caught.value.faults
    assert found.path == fault[0]
    assert fault[1] in found.message


@pytest.mark.parametrize(
    "text",
    [
        host("bridges: {br0: {uplink: eno1}, br1: {uplink: eno2}}"),
        host("nics: {e: {features: {tcp-segmentation-offload: on, tx-tcp6-segmentation: off}}}"),
        host("nics: {e: {coalesce: {rx-usecs: 30, adaptive-tx: on}}}"),
        host("sudo: true", "state_dir: s\n"),
        "version: 1\nstate_dir: s\nhosts: {local: {bridges: {br0: {}}}}\n",
    ],
)
def test_what_stands_beside_it_is_allowed(text: str) -> None:
    lab_of(text)

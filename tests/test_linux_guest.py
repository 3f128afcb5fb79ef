"""What a Linux guest says becomes facts, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.guest import FamilyRsc, GuestFacts
from provision.facts.linux_guest import parse_linux_guest
from provision.runtime.errors import UnreadableError

CAPTURED = (Path(__file__).parent / "fixtures/linux-6.1/guest.json").read_text()
SAID: dict[str, Any] = json.loads(CAPTURED)
WHOLE, CUT = "52:54:00:00:00:01", "52:54:00:00:00:02"


def rsc(guest: GuestFacts, mac: str = WHOLE) -> FamilyRsc:
    adapter = guest.adapter(mac)
    assert adapter is not None
    assert adapter.rsc["ipv4"] == adapter.rsc["ipv6"]
    return adapter.rsc["ipv4"]


def with_device(**more: object) -> GuestFacts:
    """The captured guest, its first device otherwise."""
    return parse_linux_guest(
        json.dumps({**SAID, "devices": [{**SAID["devices"][0], **more}]}, separators=(",", ":"))
    )


def with_features(plain: str) -> GuestFacts:
    """The same with an ethtool that has no JSON."""
    return with_device(features=None, plain=f"Features for eth0:\n{plain}\n")


def test_the_demo_guest_tells_what_each_nic_has_taken() -> None:
    guest = parse_linux_guest(CAPTURED)

    assert (guest.system, guest.release, guest.version) == ("linux", "6.1.0-57-cloud-amd64", (6, 1, 0))
    assert guest.processors == 1
    assert rsc(guest, WHOLE) == FamilyRsc(enabled=True, supported=True, switch="rx-gro-hw")
    assert rsc(guest, CUT).enabled is False
    assert guest.troubles == ()
    assert guest.adapters[0].forwarding == {"ipv4": False, "ipv6": False}


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [
        (
            "rx-gro-hw: on\nlarge-receive-offload: off [fixed]",
            FamilyRsc(enabled=True, supported=True, switch="rx-gro-hw"),
        ),
        (
            "rx-gro-hw: off\nlarge-receive-offload: off [fixed]",
            FamilyRsc(enabled=False, supported=True, switch="rx-gro-hw"),
        ),
        ("rx-gro-hw: off [requested on]", FamilyRsc(enabled=False, supported=True, switch="rx-gro-hw")),
        ("rx-gro-hw: on [fixed]", FamilyRsc(enabled=True, supported=True, switch="rx-gro-hw")),
        (
            "large-receive-offload: on\nrx-gro-hw: off [fixed]",
            FamilyRsc(enabled=True, supported=True, switch="large-receive-offload"),
        ),
        (
            "large-receive-offload: off\n\trx-gro-hw: off [fixed]",
            FamilyRsc(enabled=False, supported=True, switch="large-receive-offload"),
        ),
        (
            "large-receive-offload: on",
            FamilyRsc(enabled=True, supported=True, switch="large-receive-offload"),
        ),
        ("large-receive-offload: off [fixed]", FamilyRsc()),
        ("large-receive-offload: off [fixed]\nrx-gro-hw: off [fixed]", FamilyRsc()),
        ("", FamilyRsc()),
    ],
)
def test_the_switch_is_the_one_that_the_kernel_has(plain: str, wanted: FamilyRsc) -> None:
    assert rsc(with_features(plain)) == wanted


def test_the_address_that_the_host_gave_goes_before_one_that_the_guest_set() -> None:
    guest = with_device(mac="02:00:00:00:00:07\n")

    assert guest.adapter(WHOLE) is not None
    assert with_device(permanent="", mac=f"{WHOLE}\n").adapter(WHOLE) is not None
    assert with_device(permanent="Permanent address: not set").adapter(WHOLE) is not None


def test_a_virtio_nic_goes_before_what_else_has_its_address() -> None:
    other = {**SAID["devices"][0], "name": "master", "driver": ""}
    said = {**SAID, "devices": [other, *SAID["devices"]]}

    found = parse_linux_guest(json.dumps(said, separators=(",", ":"))).adapter(WHOLE)

    assert found is not None
    assert found.name == "eth0"


def test_a_guest_without_ethtool_says_so_and_tells_the_rest() -> None:
    said = {name: value for name, value in SAID.items() if name != "ethtool"}
    said["devices"] = [{**SAID["devices"][0], "features": None, "permanent": None}]

    guest = parse_linux_guest(json.dumps(said, separators=(",", ":")))

    assert guest.troubles == ("the guest has no ethtool",)
    assert rsc(guest) == FamilyRsc()


def test_features_that_cannot_be_read_are_told_and_cost_nothing_else() -> None:
    guest = with_device(features="[ { half")

    assert len(guest.troubles) == 1
    assert guest.troubles[0].startswith("eth0: cannot read ethtool's features")
    assert rsc(guest) == FamilyRsc()


@pytest.mark.parametrize("text", ["", "sh: not found", '{"rscvm":"windows/1"}', CAPTURED[:-20], '{"rscvm":"linux/1","processors":{"a":1},"devices":{"b":2}'])  # fmt: skip
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_linux_guest(text)


JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.lists(st.integers(), max_size=2)


@given(
    key=st.sampled_from(sorted(SAID)),
    inner=st.sampled_from(sorted(SAID["devices"][0])),
    junk=JUNK,
    whole=st.booleans(),
)
def test_whatever_stands_in_the_place_of_a_value_is_facts_or_refused(
    key: str, inner: str, junk: object, *, whole: bool
) -> None:
    said = {**SAID, key: junk} if whole else {**SAID, "devices": [{**SAID["devices"][0], inner: junk}]}
    try:
        guest = parse_linux_guest(json.dumps(said, separators=(",", ":")))
    except UnreadableError:
        return
    str(guest).encode("utf-8")

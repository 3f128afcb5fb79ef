"""`hck disarm --restart`, to its end: the new TAP's queue is one of its steps, and what fails then takes all of it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from provision.host.apply.session import HostSession
from provision.host.marks import device_mark
from provision.runtime.command import Result
from provision.runtime.errors import HostError
from provision.verbs.hck.disarm import disarm
from tests.asked_guests import Guest
from tests.builders import FIXTURES, lab_of
from tests.hck_clients import Clients, Host, clients_of
from tests.labs import HLK

DUT, LAB = "rsc-dut", lab_of(HLK.replace("BACKEND", "").replace("guest: windows", "guest: linux"))
[TEST] = [nic for nic in LAB.machines[DUT].nics if nic.profile == "hck"]
VERSION, PROPERTIES, IMAGE = (
    (FIXTURES / "qemu-7.2.22" / name).read_text()
    for name in ("version.txt", "device-help.txt", "image-info.json")
)
QUEUE = f"let {TEST.ifname} queue 11000 packets"


@dataclass
class WithTap(Host):
    """It also has the DUT's TAP, as libvirt makes it; composed."""

    tap: dict[str, object] = field(
        default_factory=lambda: {
            "ifindex": 7, "ifname": TEST.ifname, "flags": ["UP"], "mtu": 1500, "txqlen": 1000, "addr_info": [],
            "ifalias": device_mark(LAB, DUT, TEST.name), "linkinfo": {"info_kind": "tun", "info_data": {"type": "tap"}},
        }
    )  # fmt: skip

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        result = super().run(argv, stdin=stdin, timeout=timeout)
        said = {
            "address show": json.dumps([self.tap]),
            "--version": VERSION,
            "virtio-net-pci,help": PROPERTIES,
            "qemu-img info": IMAGE,
            "probe_accelerators": "tcg 9\nkvm 9",
        }
        return replace(result, out=next((said[word] for word in said if word in " ".join(argv)), result.out))


def there(failing: str = "") -> Clients:
    found = clients_of(LAB, dut=Guest(""), support=Guest(""))
    found.runner = WithTap(failing=failing)
    return found


def done_by(found: Clients) -> list[str]:
    return [what for what, _ in found.daemon.said]


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_set_of_the_new_tap_is_among_what_was_done_and_nothing_is_where_nothing_was_restarted(
    *, restart: bool
) -> None:
    found = there()

    plan = disarm(HostSession(found, LAB, "local"), [DUT], lambda _: None, restart=restart)

    assert (QUEUE in plan.whats) is restart
    assert ("start" in done_by(found)) is restart


def test_where_its_queue_cannot_be_set_the_machine_has_its_engine_again() -> None:
    found = there(failing="11000")

    with pytest.raises(HostError, match="11000"):
        disarm(HostSession(found, LAB, "local"), [DUT], lambda _: None, restart=True)

    done = [(what, words) for what, words in found.daemon.said if what == "define"]
    assert ["guest_rsc_ext" in xml for _, xml in done] == [False, True]
    assert done_by(found).count("start") == 2

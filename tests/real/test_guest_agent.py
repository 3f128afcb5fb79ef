"""Real guest agents (qemu-ga of Debian 12 in the demo guest) through libvirt, QEMU's socket, and a socket elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.real.asked_guests import LONG, SOCKET, AskedGuest, guest_of_libvirt, guest_of_qemu
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.remote import Site

pytestmark = pytest.mark.real

# The agent that runs this is replaced by one with other words, once it has answered; what is its own child is not ended.
ANOTHER = """
port=$(grep -lx org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name)
port=${{port%/name}}
{{ sleep 0.5; kill "$(cat /run/qemu-ga.pid)"; sleep 0.5; {then}; }} >/dev/null 2>&1 </dev/null &
"""
AGENT = "qemu-ga -d -m virtio-serial -p /dev/${port##*/} -t /run -f /run/qemu-ga.pid"


@pytest.fixture(scope="module", params=["libvirt", "socket"])
def asked(request: pytest.FixtureRequest, guest: Path) -> Iterator[AskedGuest]:
    """A guest by each way in turn, for all tests."""
    assert guest.is_dir()
    with Hypervisor() as host:
        if request.param == "libvirt":
            host.start_libvirtd()
        with (guest_of_libvirt if request.param == "libvirt" else guest_of_qemu)(host) as found:
            yield found


@pytest.fixture
def anew(asked: AskedGuest) -> Iterator[AskedGuest]:
    """The same, started anew after the test, which leaves its agent unlike before."""
    yield asked
    asked.reset()
    asked.until_asked()


def test_a_script_is_run_in_the_guest(asked: AskedGuest) -> None:
    script = f"# {'x' * 50_000}\nhostname; uname -s; echo err >&2; printf '\\303'; exit 3"

    system, ran = asked.steps({}, {"script": script, "timeout": LONG})

    assert system == {"said": "linux"}
    assert ran["results"] == [
        {"status": 3, "out": "rscvm-guest\nLinux\n\N{REPLACEMENT CHARACTER}", "err": "err\n"}
    ]


def test_a_script_that_was_killed_has_a_status_that_says_so(asked: AskedGuest) -> None:
    assert asked.ran("kill -9 $$")["status"] == -9


def test_two_mebibytes_come_whole(asked: AskedGuest) -> None:
    assert asked.ran(f"yes 0123456789abcde | head -c {2 << 20}")["out"] == "0123456789abcde\n" * (1 << 17)


def test_what_does_not_end_in_time_is_ended_there_with_all_that_it_started(asked: AskedGuest) -> None:
    late = asked.failure("sleep 1001 & sh -c 'sleep 1002; true'; true", timeout=8)

    assert late["error"] == "DeadlineError"
    assert late["message"].startswith("words did not end within 4 s in ")
    assert "may still run" not in late["message"]
    assert asked.ran("ps -o args | grep '[s]leep 100'")["out"] == ""


def test_an_agent_that_may_not_run_programs_says_so(anew: AskedGuest) -> None:
    anew.ran(ANOTHER.format(then=f"{AGENT} -b guest-exec"))

    def forbidden() -> bool:
        (answer,) = anew.steps({"script": "true", "timeout": 5})
        return "may not run programs: guest-exec is forbidden" in answer.get("message", "")

    anew.until(forbidden, "an agent that may not")
    assert "block-rpcs" in anew.failure()["hint"]


def test_a_guest_without_an_agent_is_told_so(anew: AskedGuest) -> None:
    anew.ran(ANOTHER.format(then="true"))

    def gone() -> bool:
        (answer,) = anew.steps({"script": "true", "timeout": 5})
        return "is qemu-guest-agent installed" in answer.get("hint", "")

    anew.until(gone, "the agent's end")
    words = anew.failure()["message"]
    assert ("no guest agent runs in vm" in words) if "domain" in anew.way else ("does not answer" in words)


def test_an_agent_that_hangs_is_told_from_none_within_the_deadline(anew: AskedGuest) -> None:
    anew.ran('{ sleep 0.5; kill -STOP "$(cat /run/qemu-ga.pid)"; } >/dev/null 2>&1 </dev/null &')

    def hangs() -> bool:
        (answer,) = anew.steps({"script": "true", "timeout": 5})
        return answer.get("error") in ("DeadlineError", "SilentError")

    anew.until(hangs, "an agent that hangs")


def test_a_guest_that_is_restarted_while_a_script_runs_is_told_so(anew: AskedGuest) -> None:
    """Whether its agent is back by the deadline is the guest's affair: it has forgotten the script, or does not answer."""
    lost = anew.failure("echo b >/proc/sysrq-trigger; sleep 1000", timeout=40)

    assert (
        "was restarted while words ran" in lost["message"] or "words was not seen to end" in lost["message"]
    )


def test_sixteen_mebibytes_of_output_are_an_error_and_leave_nothing_hanging(anew: AskedGuest) -> None:
    much, after = anew.steps(
        {"script": f"yes 0123456789abcde | head -c {20 << 20}", "timeout": LONG},
        {"script": "pidof yes head || echo none", "timeout": 10},
    )

    assert much["error"] in {"HostError", "LostError"}
    assert "words was not seen to end" in much["message"]
    if "domain" in anew.way:  # libvirt gives up on such an agent until it opens its port anew
        assert "No complete agent response found" in much["message"]
        assert "restart qemu-guest-agent" in after["hint"]
    else:
        assert "says more than 4 MiB" in much["message"]
        assert after["results"][0]["out"] == "none\n"


def test_an_agent_on_another_host_is_asked_over_ssh(site: Site, guest: Path) -> None:
    assert guest.is_dir()
    with guest_of_qemu(site.remote):
        way = {"kind": "agent", "socket": SOCKET}
        system, ran, missing = site.ask(
            {"guest": way},
            {"guest": way, "script": "hostname", "timeout": LONG},
            {"guest": {**way, "socket": "/run/none"}, "script": "hostname", "timeout": LONG},
        )

    assert system == {"said": "linux"}
    assert ran["results"] == [{"status": 0, "out": "rscvm-guest\n", "err": ""}]
    assert missing["message"].startswith("nobody answers at /run/none on hv: ")

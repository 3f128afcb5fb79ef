"""`bench`: legs in turns, each what it is called; the TAP is as it was found, however it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.virtio import VirtioFacts
from provision.runtime.errors import HostError, LostError, RequestError
from provision.verbs.bench.sending import Server
from tests.asked_guests import Guest
from tests.builders import ON, features
from tests.measured_host import SERVES, Measured, MeasuredHost, evidence

GIVEN = Server("10.9.0.2", 5201)


def test_legs_are_measured_in_turns_after_one_that_does_not_count() -> None:
    there = Measured()

    gain = there.bench().gain

    assert there.host.legs == ["on", "on", "off", "on", "off"]
    assert gain is not None
    assert [leg.kind for leg in gain.legs] == ["on", "off", "on", "off"]
    assert gain.ratio.median == pytest.approx(1.97, abs=0.05)
    assert (round(gain.on.mean_frame, -3), round(gain.off.mean_frame)) == (60_000, 1514)
    assert gain.notes == ()
    assert there.host.tap == "on"
    assert not there.host.armed


def test_the_hosts_own_undo_is_armed_before_the_tap_is_switched_and_only_while_it_is() -> None:
    """The host's stand-in sees to that: it sends only armed where its TAP is off, and only unarmed where it is on."""
    there = Measured()

    there.bench()

    assert there.host.switches == ["off", "on", "off", "on"]


def test_a_server_is_started_in_the_guest_at_its_first_address_and_ended() -> None:
    there = Measured()

    gain = there.bench(pairs=1).gain

    assert gain is not None
    assert "--client 10.9.0.2 --port 5202" in gain.command
    names = [script.name for script in there.guest.scripts]
    assert (names[0], names[-1]) == ("serve", "serve-end")
    assert "52:54:00:12:34:56" in there.guest.scripts[0].text


def test_the_guests_processors_are_told_by_its_own_account() -> None:
    gain = Measured().bench(pairs=1).gain

    assert gain is not None
    assert [leg.guest_busy for leg in gain.legs] == [0.5, 2.0]


def test_a_guest_that_does_not_tell_of_its_processors_costs_only_that() -> None:
    there = Measured(guest=Guest({"serve": [SERVES], "serve-end": [""], "work": ["?"]}, runs="linux"))

    gain = there.bench(pairs=1).gain

    assert gain is not None
    assert gain.on.guest_seconds is None


def test_a_server_that_the_user_started_is_used_and_the_guest_left_alone() -> None:
    there = Measured()

    gain = there.bench(pairs=1, server=GIVEN).gain

    assert gain is not None
    assert "--port 5201" in gain.command
    assert {script.name for script in there.guest.scripts} == {"work"}


def test_a_server_of_ours_that_does_not_listen_yet_is_tried_again() -> None:
    there = Measured(MeasuredHost(refusing=2))

    assert there.bench(pairs=1).gain is not None


def test_one_of_the_users_that_does_not_listen_is_not() -> None:
    with pytest.raises(HostError, match=r"10\.9\.0\.2:5201: unable to connect to server: Connection refused"):
        Measured(MeasuredHost(refusing=1)).bench(server=GIVEN)


@pytest.mark.parametrize(
    ("status", "complaint", "words"),
    [
        (127, "timeout: failed to run command", "iperf3 not found on local"),
        (124, "", "it did not end within 7 s"),
        (1, "iperf3: interrupt", "iperf3: interrupt"),
        (139, "", "status 139"),
    ],
)
def test_a_client_that_tells_nothing_is_told_of(status: int, complaint: str, words: str) -> None:
    with pytest.raises(HostError, match=words):
        Measured(MeasuredHost(client=(status, complaint))).bench(server=GIVEN)


def test_a_nic_that_is_not_ready_is_judged_and_not_measured() -> None:
    there = Measured(nics=[evidence(properties={**ON, "guest_tso4": False})])

    found = there.bench()

    assert (found.gain, found.verdict.verdict) == (None, "not-ready")
    assert not any((there.host.legs, there.host.switches, there.guest.scripts))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rsc": "hck", "purpose": "hck"}, "it is for the HCK test"),
        ({"rsc": "false", "features": features("rsc-false")}, "there is nothing to switch"),
        ({"kind": "direct"}, "it has no TAP of its own to switch"),
        ({"network": "net:[1]"}, "another network namespace"),
    ],
)
def test_what_cannot_be_switched_is_refused(changes: dict[str, object], words: str) -> None:
    there = Measured(nics=[evidence(**changes)])

    with pytest.raises(RequestError, match=words):
        there.bench()
    assert there.host.switches == []


@pytest.mark.parametrize("state", ["off", "paused"])
def test_a_machine_that_does_not_run_is_refused(state: str) -> None:
    with pytest.raises(HostError, match=f"vm is {state}: only what runs"):
        Measured(nics=[evidence(state=state)]).bench()


def test_of_several_nics_one_is_named() -> None:
    two = [evidence(), evidence(nic="net1", mac="52:54:00:00:00:01")]

    with pytest.raises(RequestError, match="several can be meant") as refused:
        Measured(nics=two).bench()
    assert "net1 (52:54:00:00:00:01)" in refused.value.hint
    with pytest.raises(RequestError, match="there is no net7"):
        Measured(nics=two).bench(nic="net7")
    found = Measured(nics=two).bench(nic="52:54:00:12:34:56", pairs=1).gain
    assert found is not None
    assert found.nic == "net0"


def test_the_one_that_can_be_measured_needs_no_name() -> None:
    there = Measured(nics=[evidence(nic="net1", rsc="false"), evidence()])

    found = there.bench(pairs=1).gain
    assert found is not None
    assert found.nic == "net0"


def test_a_tap_that_does_not_switch_is_no_leg() -> None:
    there = Measured(MeasuredHost(stuck=("off",)))

    with pytest.raises(
        HostError, match=r"could not switch tap0's checksum and TSO off: .*tap0's checksum is not that"
    ):
        there.bench()
    assert there.host.legs == ["on", "on"]
    assert not there.host.armed


def test_what_cannot_be_given_back_stays_with_the_hosts_own_undo_and_is_told() -> None:
    there = Measured(MeasuredHost(stuck=("on",)))

    with pytest.raises(HostError, match="tap0 was not given its checksum and TSO back") as raised:
        there.bench()
    assert "`ethtool -K tap0 tx on` on local" in raised.value.hint
    assert (there.host.tap, there.host.armed) == ("off", True)


def test_of_the_hosts_own_undo_it_is_told_only_that_it_could_not_be_ended() -> None:
    there, keeping = Measured(), Measured(MeasuredHost(keeps_undo=True))
    there.bench(pairs=1)
    keeping.bench(pairs=1)

    assert not any("undo" in line or "back" in line for line in there.said)
    assert [line for line in keeping.said if line.startswith("could not take back")]


def test_an_interruption_tells_what_could_not_be_given_back() -> None:
    there = Measured(MeasuredHost(stuck=("on",), ends_by=KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt) as raised:
        there.bench()
    assert "was not given its checksum" in str(raised.value.__cause__)
    assert there.host.armed


def test_the_hosts_own_undo_does_not_come_while_a_leg_lasts() -> None:
    there = Measured()

    there.bench(pairs=1, seconds=60)

    [arming] = [argv for argv in there.host.said if "setsid sh -c" in " ".join(argv)]
    assert int(arming[5]) > 60 + 20


def test_a_tap_that_is_otherwise_in_the_end_is_told() -> None:
    there = Measured()
    there.host.in_the_end = "tap-host-sg-off.json"

    found = there.bench()
    assert "tx-scatter-gather: off, was on" in str(found.trouble)
    assert found.gain is not None


def test_a_tap_that_was_made_anew_is_another() -> None:
    there = Measured()
    there.host.anew_after = 2

    with pytest.raises(HostError, match="tap0 was made anew meanwhile: did vm end"):
        there.bench()


def test_traffic_that_takes_another_way_is_no_leg() -> None:
    there = Measured(MeasuredHost(passing=0.5))

    with pytest.raises(HostError, match="went by tap0"):
        there.bench()
    assert there.host.legs == ["on"]


def test_an_interruption_puts_the_tap_back_and_ends_the_server() -> None:
    there = Measured(MeasuredHost(ends_by=KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        there.bench()
    assert (there.host.tap, there.host.armed) == ("on", False)
    assert there.guest.scripts[-1].name == "serve-end"


def test_a_host_that_is_lost_has_put_it_back_itself_which_is_read_back() -> None:
    there = Measured(MeasuredHost(ends_by=LostError("local is gone")))

    with pytest.raises(HostError, match=r"was lost .*; tap0 is as it was found, which was read back"):
        there.bench()


def test_without_a_way_in_the_user_is_told_how_to_start_one() -> None:
    there = Measured(guest=Guest(HostError("it does not answer"), runs="linux"))

    with pytest.raises(
        HostError, match=r"no iperf3 could be started in the guest of vm: .*it does not answer"
    ) as error:
        there.bench()
    assert "--server ADDRESS" in error.value.hint


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ('{"rscvm":"serve/1","server":"","addresses":["10.9.0.2"]}', "has no iperf3"),
        ('{"rscvm":"serve/1","server":"yes","addresses":["fe80::1","127.0.0.1"]}', "has no address"),
        ('{"rscvm":"serve/1","server":"yes","addresses":["--bind"]}', "cannot read what a script said"),
        ('{"rscvm":"serve/1","server":"yes","addresses":{"a":1}}', "cannot read what a script said"),
    ],
)
def test_a_guest_without_a_server_or_an_address_is_told(says: str, words: str) -> None:
    guest = Guest({"serve": [says], "serve-end": [""], "work": ["?"]}, runs="linux")

    with pytest.raises(HostError, match=words):
        Measured(guest=guest).bench()


def test_a_driver_that_keeps_its_large_buffers_is_told_beside_the_live_figure() -> None:
    there = evidence()
    taken = there.virtio
    assert isinstance(taken, VirtioFacts)
    without = replace(taken, negotiated=taken.negotiated - {"VIRTIO_NET_F_MRG_RXBUF"})

    gain = Measured(nics=[replace(there, virtio=without)]).bench(pairs=1).gain

    assert gain is not None
    assert ["mrg_rxbuf" in note for note in gain.notes] == [True]

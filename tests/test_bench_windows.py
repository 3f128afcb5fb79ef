"""`bench` of a Windows guest, by what its scripts would say: composed, as no Windows was at hand."""

from __future__ import annotations

import pytest

from provision.runtime.errors import HostError
from provision.verbs.bench.sending import Server
from tests.asked_guests import Guest
from tests.measured_host import SERVES, Measured

GIVEN = Server("10.9.0.2", 5201)


def windows(*counts: int) -> Guest:
    """What the script would say in a Windows, composed."""
    return Guest(
        {"coalesced": [f'{{"rscvm":"work/1","coalesced_host":{count}}}' for count in counts]}, runs="windows"
    )


def test_in_windows_it_is_started_as_the_program_that_the_lab_file_names_and_ended() -> None:
    """What the scripts would say is composed."""
    guest = Guest({"serve": [SERVES], "serve-end": [""], "coalesced": ["?"]}, runs="windows")
    there = Measured(guest=guest)

    gain = there.bench(pairs=1, program=r"C:\tools\it's\iperf3.exe").gain

    start, *_, end = guest.scripts
    assert gain is not None
    assert (start.shell, start.name, end.shell, end.name) == (
        "powershell",
        "serve",
        "powershell",
        "serve-end",
    )
    assert r"Test-Path -LiteralPath 'C:\tools\it''s\iperf3.exe'" in start.text


def test_in_windows_it_is_left_to_the_user_who_names_no_program() -> None:
    there = Measured(guest=windows(0))

    with pytest.raises(HostError, match="in Windows it is started as which program"):
        there.bench()
    assert there.guest.scripts == []


def test_a_windows_tells_how_much_its_driver_was_handed_in_large_frames() -> None:
    gain = Measured(guest=windows(0, 100, 5100, 5100, 5100)).bench(pairs=1, server=GIVEN).gain

    assert gain is not None
    assert (gain.on.coalesced, gain.off.coalesced) == (5000, 0)
    assert gain.on.guest_seconds is None


def test_a_driver_that_counts_anew_tells_nothing_of_that_leg() -> None:
    gain = Measured(guest=windows(0, 5100, 100, 100, 100)).bench(pairs=1, server=GIVEN).gain

    assert gain is not None
    assert (gain.on.coalesced, gain.off.coalesced) == (None, 0)

"""How long libvirt's calls may take, and what helps one that its client has overlooked."""

from __future__ import annotations

import threading

import pytest

from provision.edges.libvirt_monitor import within


def test_a_call_that_lies_in_the_client_is_woken() -> None:
    handed_on = threading.Event()

    assert within(20, lambda: handed_on.wait(20), handed_on.set)


def test_a_call_that_never_answers_costs_its_time_and_no_more() -> None:
    with pytest.raises(TimeoutError):
        within(0.1, threading.Event().wait)

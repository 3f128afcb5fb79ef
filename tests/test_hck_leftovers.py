"""What the scripts of `hck cleanup` say in a guest is read whole, and nothing that they would not say is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from provision.facts.hck_leftovers import DRIVERS, parse_hck_leftovers
from provision.runtime.errors import UnreadableError
from tests.hck_clients import ALL, ASKED, names, says


def test_an_answer_says_what_is_there_and_whose_it_is() -> None:
    said = parse_hck_leftovers(ASKED)

    assert names(said.found) == ALL
    assert said.left is None
    about = {str(each): each.about for each in said.found}
    assert about["package oem12.inf"] == "names spartadrv.sys; Microsoft, NetTrans, 06/21/2006,6.3.9600.16384"
    assert about["service spartadrv"] == "Running, spartadrv.sys"
    assert about["file netcapdrv6.sys"] == "Microsoft Corporation, 6.3.9600.16384"
    assert about["component ms_spartadrv"] == "Sparta Protocol Driver, spartadrv"


HOSTILE = {
    "a package that is none": {"packages": [{"name": 'oem1.inf"; rm', "files": DRIVERS}]},
    "one of Windows' own": {"packages": [{"name": "netkvm.inf", "files": DRIVERS}]},
    "a package of another folder": {"packages": [{"name": "..\\oem1.inf", "files": DRIVERS}]},
    "another file": {"files": [{"name": "ntoskrnl.exe"}]},
    "a file of another folder": {"files": [{"name": "..\\coalesce.sys"}]},
    "a service without a name": {"services": [{"name": "", "file": "coalesce.sys"}]},
    "a name that is a number": {"services": [{"name": 7}]},
    "rows that are none": {"files": 7, "services": None},
}


@pytest.mark.parametrize("found", HOSTILE.values(), ids=HOSTILE)
def test_what_no_script_of_ours_would_say_is_believed_in_nothing(found: Mapping[str, Any]) -> None:
    if found == HOSTILE["rows that are none"]:
        assert parse_hck_leftovers(says(found)).found == ()
        return
    with pytest.raises(UnreadableError):
        parse_hck_leftovers(says(found))


def test_an_answer_is_bounded_whatever_a_guest_says() -> None:
    many = {"services": [{"name": f"s{at}" * 50, "state": "x" * 2000} for at in range(1000)]}

    found = parse_hck_leftovers(says(many)).found

    assert len(found) == 64
    assert max(len(each.name) + len(each.about) for each in found) <= 400

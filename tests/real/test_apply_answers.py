"""An ethtool that is not there, says what nobody understands, or does not do what it was told: nothing is believed."""

from __future__ import annotations

import pytest

from tests.real.host_settings import (
    GRO,
    SETTING,
    Before,
    feature,
    lab,
    misbehaving,
    ours,
    refused,
    rscvm,
)
from tests.real.remote import Site


def test_a_host_without_ethtool(site: Site, before: Before) -> None:
    lab(site, GRO)

    with site.remote.without("ethtool"):
        for command in ("apply", "plan"):
            refused(site, "hv is not ready", "ethtool is not installed (Debian: ethtool)", command=command)

    before.holds()


ANSWERS = {
    "garbage": "echo 'segmentation fault'; exit",
    "half of it": 'exec "$REAL" "$@" | head -c 1000',
    "its text": 'shift; exec "$REAL" "$@"',
    "nothing": "exit 0",
    "another device": """echo '[{"ifname": "nic1"}]'; exit""",
    "no features": """echo '[{"ifname": "nic0"}]'; exit""",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_ethtool_that_cannot_be_understood_is_refused_before_anything_is_touched(
    site: Site, before: Before, answer: str
) -> None:
    path = lab(site, GRO)
    script = f'case "$*" in "--json -k"*) {ANSWERS[answer]};; esac; exec "$REAL" "$@"'

    with misbehaving(site, script):
        said = refused(site, "hv is not ready", "hosts.hv.nics.nic0")
        assert rscvm(site, "plan", str(path)).returncode == 3

    assert ("has no such feature" if answer == "no features" else "its features cannot be read: ") in said
    assert "cannot be read: \n" not in said
    before.holds()


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_cannot_be_read_back_is_not_believed_and_kept_in_the_journal(
    site: Site, before: Before, answer: str
) -> None:
    path = str(lab(site, GRO))
    script = (
        f'case "$*" in "--json -k"*) [ ! -e $AT/set ] || {{ {ANSWERS[answer]}; }};; -K*) touch $AT/set;; esac; '
        'exec "$REAL" "$@"'
    )

    with misbehaving(site, script):
        said = refused(
            site, "not everything took", "could not be read back", "taken back: set nic0's features"
        )

    assert "the journal keeps what could not be taken back" in said
    assert site.remote.ethtool_features("nic0") == before.features
    assert ours(site.remote) == []
    assert rscvm(site, "down", path).returncode == 0
    before.holds()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "generic-receive-offload is still off: the driver did not take it"),
        ('exec "$REAL" -K nic0 gro on', "tcp-segmentation-offload is still on: the driver did not take it"),
        ('"$REAL" "$@"; exit 1', ""),
        ("exit 1", "generic-receive-offload is still off"),
    ],
    ids=["changes nothing", "changes in part", "fails and has done it", "fails"],
)
def test_not_its_status_but_what_is_read_back_tells_what_ethtool_did(
    site: Site, before: Before, script: str, words: str
) -> None:
    path = lab(site, GRO)

    with misbehaving(site, f'case "$*" in {SETTING}) {script};; esac; exec "$REAL" "$@"'):
        if words:
            refused(site, "hv: not everything took", words, "read back: hv is as it was found")
        else:
            assert rscvm(site, "apply", str(path)).returncode == 0

    if not words:
        assert rscvm(site, "down", str(path)).returncode == 0
    before.holds()


def test_an_undo_that_does_not_take_either_is_said_and_down_tries_again(site: Site, before: Before) -> None:
    path = str(lab(site, GRO))
    script = f'case "$*" in {SETTING}) exec "$REAL" -K nic0 gro on;; -K*) exit 0;; esac; exec "$REAL" "$@"'

    with misbehaving(site, script):
        refused(site, "not everything took", "hv is NOT as it was found", "the journal keeps")
        assert feature(site, "generic-receive-offload") is True

    assert rscvm(site, "down", path).returncode == 0
    before.holds()


def test_a_nic_that_down_cannot_put_back_is_said_and_down_tries_again(site: Site, before: Before) -> None:
    path = str(lab(site, GRO))
    assert rscvm(site, "apply", path).returncode == 0

    with misbehaving(site, 'case "$*" in -K*) exit 1;; esac; exec "$REAL" "$@"'):
        done = rscvm(site, "down", path)

    assert done.returncode == 3
    assert "nic0 on hv is not as it was found: " in done.stderr
    assert "generic-receive-offload is on and not off" in done.stderr
    assert rscvm(site, "down", path).returncode == 0
    before.holds()

"""A NIC whose driver has interrupt coalescing, e1000e, set over the very NIC; and adaptive coalescing, which is composed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from provision.facts.ethtool_coalesce import Coalesce, parse_coalesce
from provision.facts.link_file import parse_link_options, parse_permanent_mac
from tests.real import preloaded
from tests.real.host_settings import lab, misbehaving, refused, rscvm, with_nic
from tests.real.hypervisor import Hypervisor
from tests.real.physical import NIC, PhysicalHost, physical_host
from tests.real.remote import Site, remote_site

COMPOSED = Path(__file__).parent.parent / "fixtures" / "composed"
LINK = f"/etc/systemd/network/10-rscvm-lab-{NIC}.link"


@pytest.fixture(scope="module")
def physical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhysicalHost]:
    """One host for this file: it boots in seconds, which add up."""
    with Hypervisor() as near, physical_host(near, tmp_path_factory.mktemp("physical")) as host:
        yield host


@dataclass(frozen=True)
class Lab:
    """A lab file about the host's NIC, and rscvm beside the host."""

    host: PhysicalHost
    path: Path

    def run(self, *arguments: str) -> CompletedProcess[str]:
        command, *more = arguments
        done = preloaded.rscvm(self.host.near, command, str(self.path), *more)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def coalescing(self) -> Coalesce:
        return parse_coalesce(self.host.output("ethtool", "-c", NIC))

    def files(self) -> list[str]:
        """What is on the host of ours, or where ours would be."""
        there = 'for d in /var/lib/rscvm/* /etc/systemd/network/*; do [ ! -e "$d" ] || echo "$d"; done'
        return self.host.output("sh", "-c", there).split()


def declared(physical: PhysicalHost, at: Path, settings: str) -> Lab:
    path = at / "lab.yaml"
    path.write_text(
        f"version: 1\nhosts:\n  hv:\n    address: {physical.address}\n    user: root\n"
        f"    identity: {physical.identity}\n    known_hosts: {physical.known_hosts}\n"
        f"    nics: {{{NIC}: {settings}}}\n"
    )
    return Lab(physical, path)


def test_coalescing_is_planned_with_its_reason_set_read_back_and_put_back(
    physical: PhysicalHost, tmp_path: Path
) -> None:
    there = declared(physical, tmp_path, "{coalesce: {rx-usecs: 30, adaptive-rx: off}}")
    before = there.coalescing()
    assert before["rx-usecs"] == 3

    plan = there.run("plan", "--exit-code")
    applied = there.run("apply", "--json")
    again = there.run("apply")
    between = there.coalescing()
    down = there.run("down")

    assert plan.returncode == 1, plan.stderr
    assert "-   rx-usecs: 3\n" in plan.stdout
    assert "+   rx-usecs: 30  (interrupt moderation: waiting longer lets GRO gather more" in plan.stdout
    assert applied.returncode == 0, applied.stderr
    [row] = json.loads(applied.stdout)["hosts"]
    assert [step["what"] for step in row["steps"]] == [f"set {NIC}'s coalescing"]
    assert between == {**before, "rx-usecs": 30}
    assert again.stdout == "hv: as the lab file has it; nothing changed\n"
    assert down.returncode == 0, down.stderr
    assert there.coalescing() == before
    assert there.files() == []


@pytest.mark.parametrize(
    ("coalesce", "words"),
    [
        ("adaptive-rx: true", "coalesce.adaptive-rx: the driver does not support it"),
        ("rx-frames: 8", "coalesce.rx-frames: the driver does not support it"),
    ],
)
def test_what_the_driver_does_not_support_is_refused_up_front(
    physical: PhysicalHost, tmp_path: Path, coalesce: str, words: str
) -> None:
    there = declared(physical, tmp_path, f"{{coalesce: {{{coalesce}}}}}")
    before = there.coalescing()

    done = there.run("apply")

    assert done.returncode == 3
    assert f"hosts.hv.nics.{NIC}.{words}" in done.stderr
    assert there.coalescing() == before
    assert there.files() == []


def test_a_number_that_the_driver_refuses_is_not_taken_and_all_is_put_back(
    physical: PhysicalHost, tmp_path: Path
) -> None:
    """e1000e takes up to 10 000 microseconds."""
    there = declared(
        physical,
        tmp_path,
        "{features: {generic-receive-offload: off}, coalesce: {rx-usecs: 4000000}}",
    )
    before, features = there.coalescing(), physical.output("ethtool", "--json", "-k", NIC)

    done = there.run("apply")

    assert done.returncode == 3
    assert f"{NIC}: rx-usecs is 3 and not 4000000: the driver did not take it" in done.stderr
    assert "read back: hv is as it was found" in done.stderr
    assert (there.coalescing(), physical.output("ethtool", "--json", "-k", NIC)) == (before, features)
    assert there.files() == []


KEPT = "{coalesce: {rx-usecs: 30}, persist: link}"


def test_a_link_file_is_shown_written_for_the_permanent_address_and_removed(
    physical: PhysicalHost, tmp_path: Path
) -> None:
    there = declared(physical, tmp_path, KEPT)
    mac = parse_permanent_mac(physical.output("ethtool", "-P", NIC))

    plan = there.run("plan")
    applied = there.run("apply")
    again = there.run("plan", "--exit-code")
    text = physical.output("cat", LINK)
    mode = physical.output("stat", "--printf", "%a", "--", LINK)
    down = there.run("down")

    assert f"write {LINK}: hosts.hv.nics.{NIC}.persist is link" in plan.stdout
    assert f"  + PermanentMACAddress={mac}\n" in plan.stdout
    assert applied.returncode == 0, applied.stderr
    assert (again.returncode, mode) == (0, "644"), again.stdout
    assert f"[Match]\nPermanentMACAddress={mac}\n" in text
    assert ("RxCoalesceSec", "30us") in parse_link_options(text)
    assert [f"  + {line}".rstrip() in plan.stdout for line in text.splitlines()].count(False) == 0
    assert down.returncode == 0, down.stderr
    assert there.files() == []


def test_a_link_file_that_is_no_longer_wanted_is_removed_by_apply(
    physical: PhysicalHost, tmp_path: Path
) -> None:
    assert declared(physical, tmp_path, KEPT).run("apply").returncode == 0
    there = declared(physical, tmp_path, "{coalesce: {rx-usecs: 30}}")

    plan, applied = there.run("plan"), there.run("apply")

    assert f"remove {LINK}" in plan.stdout
    assert applied.returncode == 0, applied.stderr
    assert LINK not in there.files()
    assert there.run("down").returncode == 0
    assert there.files() == []


def test_a_link_file_of_somebody_elses_is_never_touched(physical: PhysicalHost, tmp_path: Path) -> None:
    """Refused where ours would take its place, and otherwise left alone."""
    look = 'stat -c "%F %s %Y" -- "$1"; cat -- "$1"'
    write = 'mkdir -p -- "${1%/*}"; printf "[Match]\\nOriginalName=eth0\\n" >"$1"'
    theirs = physical.output("sh", "-c", f"{write}; {look}", "sh", LINK)
    try:
        kept = declared(physical, tmp_path, KEPT).run("apply")
        there = declared(physical, tmp_path, "{coalesce: {rx-usecs: 30}}")
        not_kept, down = there.run("apply"), there.run("down")

        assert kept.returncode == 3
        assert f"persist: link writes {LINK}, where somebody has a file that is not ours" in kept.stderr
        assert (not_kept.returncode, down.returncode) == (0, 0)
        assert physical.output("sh", "-c", look, "sh", LINK) == theirs
    finally:
        physical.output("rm", "-f", "--", LINK)
    assert there.files() == []


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as found:
        yield found


def adaptive_ethtool(*, keeps_it: bool) -> str:
    """An ethtool whose NIC has adaptive coalescing on, as documented: while it is on, rx-usecs is not what was asked for.

    Composed: its text is that of tests/fixtures/composed, and no device here does that.
    """
    told = COMPOSED / "coalesce-adaptive-6.1.txt"
    return f"""
    read -r adaptive usecs 2>/dev/null <$AT/nic || {{ adaptive=on usecs=33; }}
    case "$*" in
    "-c nic0") exec sed "s/eno1/nic0/; s/Adaptive RX: on/Adaptive RX: $adaptive/; s/^rx-usecs: 33/rx-usecs: $usecs/" {told} ;;
    "--json -c"*) echo "ethtool: bad command line argument(s)" >&2; exit 1 ;;
    "-C nic0 "*)
        echo "$*" >>$AT/said
        shift 2
        while [ $# -gt 0 ]; do
            case $1 in
            adaptive-rx) {"" if keeps_it else "adaptive=$2"} ;;
            rx-usecs) [ $adaptive = on ] || usecs=$2 ;;
            esac
            shift 2
        done
        echo "$adaptive $usecs" >$AT/nic
        exit ;;
    esac
    exec "$REAL" "$@" """


def test_adaptive_coalescing_goes_off_before_what_it_would_overrule_is_set(site: Site) -> None:
    before = with_nic(site)
    path = str(lab(site, "    nics: {nic0: {coalesce: {rx-usecs: 30}}}"))

    with misbehaving(site, adaptive_ethtool(keeps_it=False)):
        plan, applied = rscvm(site, "plan", path), rscvm(site, "apply", path)
        now = (site.at / "nic").read_text()
        again, down = rscvm(site, "plan", path, "--exit-code"), rscvm(site, "down", path)

    assert "+   adaptive-rx: off  (on, it overrules rx-usecs)" in plan.stdout
    assert (applied.returncode, again.returncode, down.returncode) == (0, 0, 0), applied.stderr
    assert now == "off 30\n"
    assert (site.at / "said").read_text().splitlines() == [
        "-C nic0 adaptive-rx off", "-C nic0 rx-usecs 30",
        "-C nic0 rx-usecs 33", "-C nic0 adaptive-rx on",
    ]  # fmt: skip
    assert (site.at / "nic").read_text() == "on 33\n"
    before.holds()


def test_a_driver_that_keeps_adaptive_coalescing_on_is_told_apart(site: Site) -> None:
    before = with_nic(site)
    lab(site, "    nics: {nic0: {coalesce: {rx-usecs: 30}}}")

    with misbehaving(site, adaptive_ethtool(keeps_it=True)):
        said = refused(site, "nic0: rx-usecs is 33 and not 30: adaptive coalescing is on and overrules it")

    assert "nic0: adaptive-rx is on and not off: the driver did not take it" in said
    assert "read back: hv is as it was found" in said
    before.holds()

"""What is asked of libvirt: of the library's own test driver, and of one that lies."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import libvirt
import pytest

from provision.edges.libvirt.connection import Libvirt
from provision.edges.libvirt.domains import BOUNDS, Bounds
from provision.facts.virtio import VirtioFacts
from provision.runtime.errors import DeadlineError, HostError, UnreadableError
from provision.verify.collect.machines import collect_domain
from provision.verify.evidence import Unasked
from tests.lying_libvirt import (
    BOLD,
    GOOD,
    INTERNAL,
    LIMIT,
    NO_DOMAIN,
    STRANGE,
    Lie,
    Silent,
    Told,
    lying,
    refuses,
    says,
    xdr_string,
    xml,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from provision.runtime.protocols import Domain, ReadingEdges


def test_a_definition_is_removed_with_its_firmware_variables_and_tpm_state() -> None:
    """The test driver has neither, and refuses by their flags what a daemon with QEMU takes."""
    there = Libvirt("test:///default")
    there.destroy("test")

    with pytest.raises(HostError) as caught:
        there.undefine("test")

    [refused] = re.findall(r"unsupported flags \((0x[0-9a-f]+)\)", str(caught.value))
    assert int(refused, 16) == libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_TPM
    assert there.domain("test") is not None
    there.close()


def test_what_is_not_defined_needs_no_removal() -> None:
    there = Libvirt("test:///default")

    there.undefine("nobody")

    assert there.domain("nobody") is None
    there.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a liar listens; the name of a socket is short."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "s"


@contextmanager
def told(place: Path, lie: Lie, bounds: Bounds = BOUNDS) -> Iterator[Libvirt]:
    """A libvirt that lies."""
    with lying(place, lie) as uri:
        libvirt_of_it = Libvirt(uri, bounds)
        try:
            yield libvirt_of_it
        finally:
            libvirt_of_it.close()  # at the interpreter's end nobody would answer it


def by_name(there: Libvirt) -> dict[str, Domain]:
    return {domain.name: domain for domain in there.domains(())}


def in_short(words: str) -> bool:
    """Whether it can be told as it is: few lines, without what steers a terminal."""
    return 0 < len(words) < 2500 and all(line.isprintable() for line in words.split("\n  "))


@pytest.mark.parametrize("what", STRANGE)
def test_a_domain_that_no_libvirt_tells_of_is_unknown_and_hides_no_other(place: Path, what: str) -> None:
    first, last = GOOD
    with told(place, Lie((first, STRANGE[what], last))) as there:
        edges = SimpleNamespace(libvirt=lambda _: there)
        nics = [collect_domain(cast("ReadingEdges", edges), "hv", each) for each in there.domains(())]

    [[one], [strange], [other]] = nics
    assert [(each.machine, each.nic, type(each.virtio)) for each in (one, other)] == [
        ("first", "net0", VirtioFacts),
        ("last", "net0", VirtioFacts),
    ]
    assert isinstance(strange.virtio, Unasked)
    assert in_short(strange.virtio.reason)
    assert 0 < len(strange.machine) < 60


def test_the_name_of_a_domain_that_cannot_be_read_is_still_its_own(place: Path) -> None:
    with told(place, Lie((*GOOD, STRANGE["XML is no UTF-8"]))) as there:
        assert by_name(there)["latin"].trouble
        assert set(there.runs()) == {"first", "last", "latin"}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'"error"',
        b'{"error": "x"}',
        b'{"error": null}',
        b'{"return": "\xff"}',
        b'{"return": ' + b"9" * 100_000 + b"}",
        b"[" * 1_000_000,
        b"[" + b"[]," * 1_390_000 + b"[]]",
        b'{"error": {"class": [], "desc": {"a": 1}}}',
        b'{"error": {"class": "' + b"C\\n" * 50_000 + b'", "desc": "' + b"\\u001bx\\n" * 50_000 + b'"}}',
    ],
    ids=range(13),
)
def test_what_a_monitor_says_that_is_no_qmp_is_told_of_it_in_short(place: Path, answer: bytes) -> None:
    with (
        told(place, Lie(answers={"monitor": says(answer)})) as there,
        pytest.raises(HostError) as caught,
    ):
        there.monitor("vm").execute("qom-get")

    assert in_short(str(caught.value))


def test_a_monitor_that_is_late_with_all_its_answers_is_left(place: Path) -> None:
    with (
        told(place, Lie(), Bounds(asking=-1)) as there,
        pytest.raises(HostError, match="for all that is asked"),
    ):
        there.monitor("vm").execute("qom-get")


def test_a_domain_whose_xml_is_longer_than_any_is_unknown_alone_and_in_a_list() -> None:
    """A driver within the library has no limit of its own."""
    there = Libvirt("test:///default")
    there.define(
        f"<domain type='test'><name>long</name><description>{'x' * (LIMIT + 1)}</description>"
        "<memory>1024</memory><os><type>hvm</type></os></domain>"
    )

    assert {name: bool(domain.trouble) for name, domain in by_name(there).items()} == {
        "test": False,
        "long": True,
    }
    with pytest.raises(UnreadableError):
        there.domain("long")
    there.close()


def test_what_libvirt_refuses_is_told_in_a_few_lines_that_steer_nothing(place: Path) -> None:
    words = refuses(INTERNAL, BOLD * (LIMIT // len(BOLD)))
    everything = dict.fromkeys(("list", "lookup", "version", "capabilities"), words)
    with told(place, Lie(answers=everything)) as there:
        asks: Sequence[Callable[[], object]] = (
            lambda: there.domains(()),
            there.runs,
            there.version,
            lambda: there.domain("vm"),
            lambda: there.monitor("vm"),
            lambda: there.emulator("kvm", "q35"),
        )
        for ask in asks:
            with pytest.raises(HostError) as caught:
                ask()
            assert in_short(str(caught.value))


def test_words_of_libvirt_that_are_not_utf_8_are_an_error_of_its_host(place: Path) -> None:
    with (
        told(place, Lie(answers={"list": refuses(INTERNAL, b"\xff")})) as there,
        pytest.raises(HostError, match="UTF-8"),
    ):
        there.domains(())


def test_domains_beyond_the_most_that_are_read_are_told_as_one_and_can_be_named(place: Path) -> None:
    many = tuple(Told(b"d%d" % number) for number in range(50))
    with told(place, Lie(many), Bounds(domains=10)) as there:
        found, named = by_name(there), there.domains(["d49"])

    assert len(found) == 11
    assert "50 domains" in found["40 more"].trouble
    assert [domain.trouble for domain in named] == [""]


def test_each_list_may_have_other_domains(place: Path) -> None:
    lists = Lie(GOOD, listed=lambda turn: [*GOOD, *(Told(b"%d-%d" % (turn, n)) for n in range(4_000))])
    with told(place, lists, Bounds(domains=3)) as there:
        found = by_name(there)

    assert not found["first"].trouble
    assert "16002 domains" in found["15999 more"].trouble


def test_of_domains_too_large_together_the_largest_are_not_believed(place: Path) -> None:
    fat = tuple(Told(b"fat%d" % number, xml(more=f"<title>{'x' * 400_000}</title>")) for number in range(5))
    with told(place, Lie((GOOD[0], *fat, GOOD[1])), Bounds(memory=1_000_000)) as there:
        found = by_name(there)
        [alone] = there.domains(["fat0"])

    assert [name for name, domain in found.items() if not domain.trouble] == ["first", "fat4", "last"]
    assert all("too many" in domain.trouble for domain in found.values() if domain.trouble)
    assert not alone.trouble


def test_a_list_that_takes_too_long_tells_whom_it_did_not_come_to(place: Path) -> None:
    with told(place, Lie(GOOD), Bounds(seconds=0)) as there:
        found = by_name(there)

    assert set(found) == {"first", "last"}
    assert all("more than 0 s" in domain.trouble for domain in found.values())


def test_two_domains_of_one_name_are_told_apart(place: Path) -> None:
    with told(place, Lie(GOOD[:1], listed=lambda turn: [GOOD[0], Told(b"first", salt=turn)])) as there:
        domains = there.domains(())

    assert [domain.name for domain in domains][:2] == ["first", "first (again)"]
    assert "two domains" in domains[1].trouble


def test_a_domain_that_is_gone_at_each_call_ends_no_list(place: Path) -> None:
    """One domain's XML does not come, by which the others' monitors are looked at, and those are gone."""

    def of_the_last(asked: bytes) -> bytes:
        if b"first" in asked:
            raise Silent
        return xdr_string(xml())

    gone = {"xml": of_the_last, "control": refuses(NO_DOMAIN, b"gone")}
    with told(place, Lie(GOOD, answers=gone), Bounds(listing=1)) as there:
        found = by_name(there)

    assert found["first"].trouble
    assert found["last"].live_xml


def _lists(there: Libvirt) -> object:
    return there.domains(())


@pytest.mark.parametrize("procedure", ["auth", "open", "list", "lookup", "version", "capabilities"])
def test_an_answer_that_never_comes_ends_the_call(place: Path, procedure: str) -> None:
    asks: Mapping[str, Callable[[Libvirt], object]] = {
        "lookup": lambda there: there.domain("vm"),
        "version": Libvirt.version,
        "capabilities": lambda there: there.emulator("kvm", "q35"),
    }
    lie, bounds = Lie(silent=frozenset({procedure})), Bounds(patience=0.3)
    with told(place, lie, bounds) as there, pytest.raises(DeadlineError):
        asks.get(procedure, _lists)(there)


def test_a_libvirt_that_answers_for_none_of_its_domains_is_not_asked_for_each(place: Path) -> None:
    with told(place, Lie(silent=frozenset({"lookup"})), Bounds(patience=0.02)) as there:
        for _ in range(12):
            with pytest.raises(DeadlineError):
                there.monitor("vm")

        with pytest.raises(HostError, match="12 others hang"):
            there.monitor("vm")


@pytest.mark.parametrize(
    "capabilities",
    [b"", b"<a/>", b"<a><path>qemu</path></a>", b"<a><path>/q&#133;</path></a>", b"<!DOCTYPE a []><a/>"],
)
def test_what_is_no_path_of_an_emulator_is_never_run(place: Path, capabilities: bytes) -> None:
    with (
        told(place, Lie(answers={"capabilities": says(capabilities)})) as there,
        pytest.raises(UnreadableError),
    ):
        there.emulator("kvm", "q35")

"""Everything that reads what others say, each with captured answers to mutate; what it makes of them is shown in all forms."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from lxml import etree

from provision.cli.output import Output
from provision.edges.ssh.known_hosts import known_keys
from provision.edges.uri import reach
from provision.facts.accelerators import kept_accelerators, parse_accelerators
from provision.facts.device_kind import device_kind
from provision.facts.domain import parse_domain
from provision.facts.domain_compare import changed_by_hand, differences
from provision.facts.domain_devices import defined_devices
from provision.facts.domain_normal import normal_form
from provision.facts.domain_tree import paths_in
from provision.facts.ethtool_coalesce import parse_coalesce, parse_coalesce_json
from provision.facts.ethtool_features import parse_features
from provision.facts.frames import parse_samples
from provision.facts.guest_change import parse_guest_change
from provision.facts.guest_server import parse_server, parse_work
from provision.facts.hck_leftovers import parse_hck_leftovers
from provision.facts.hyperv import (
    parse_cpu_expansion,
    parse_domain_capabilities,
    parse_kvm_module,
    parse_tsc_frequency,
)
from provision.facts.ip import parse_links
from provision.facts.iperf3 import parse_client
from provision.facts.keeper_lines import parse_keeper_line
from provision.facts.link_file import parse_link_options, parse_permanent_mac
from provision.facts.linux_guest import parse_linux_guest
from provision.facts.network import parse_network
from provision.facts.ovs import parse_ovs
from provision.facts.pci import parse_pci
from provision.facts.processes import parse_processes
from provision.facts.qdisc import parse_queueing
from provision.facts.qemu import parse_device_help, parse_image_info, parse_version
from provision.facts.qemu_arguments import globals_of, netdevs, nics_of, taps_in
from provision.facts.qemu_machine import parse_machine
from provision.facts.qemu_sockets import agent_socket, monitors
from provision.facts.threads import parse_processor_times
from provision.facts.virtio import parse_virtio_status
from provision.facts.windows_guest import parse_windows_guest
from provision.host.journal import parse_journal, written_journal
from provision.host.read.processes import LISTENING, QEMUS
from provision.lab.load import parse_lab
from provision.runtime.command import Result
from provision.runtime.errors import reading
from provision.runtime.places import Target
from provision.runtime.protocols import Domain
from provision.runtime.untrusted import read_json
from provision.verbs.fix.domain_edit import laid_out
from provision.verbs.fix.repair import plan_repair
from provision.verbs.importer.import_domain import import_domain
from provision.verbs.rejudge import judge_saved
from provision.verify.collect.pasted import pasted
from provision.verify.judge.verdict import NicVerdict, judge_nic
from provision.verify.report.document import as_json
from provision.verify.report.html import as_html
from provision.verify.report.junit import as_junit
from provision.verify.report.text import shown
from provision.verify.saved.files import Saved, as_files, parse_saved
from provision.verify.saved.rows import Row
from tests.builders import FIXTURES, features
from tests.hyperv_hosts import monitor_text

Draw = random.Random
Mutate = Callable[[str, Draw], str]
LONGEST = 4 << 20
"""Characters that a report of a handful of NICs may have, whatever they are called."""


def texts(pattern: str) -> tuple[str, ...]:
    """What was captured in these files."""
    found = tuple(
        path.read_text(errors="replace") for path in sorted(FIXTURES.glob(pattern)) if path.is_file()
    )
    assert found, pattern
    return found


def seen_by_a_person(verdicts: Sequence[NicVerdict]) -> None:
    """Every form of report: nothing in it steers a terminal, and HTML and XML are well-formed."""
    when, output = datetime(2026, 11, 28, tzinfo=UTC), io.StringIO()
    with redirect_stdout(output):
        Output(color="never").show(shown(list(verdicts)))
        Output().json(as_json(verdicts))
    page, suites = as_html(verdicts, when=when, title="t"), as_junit(verdicts, when)
    for text in (output.getvalue(), page, suites):
        assert len(text) < LONGEST, f"{len(text)} characters"
        assert all(c.isprintable() or c == "\n" for c in text), "what steers a terminal"
    etree.fromstring(suites.encode())
    assert "<script" not in page


def _judged_paste(text: str) -> None:
    seen_by_a_person([judge_nic(nic) for nic in pasted({"stdin": text})])


def _imported(text: str) -> None:
    made = import_domain(Domain("vm", "off", text, text), Target("local"))
    assert all(c.isprintable() or c == "\n" for c in made.text), "what steers a terminal"


def _arguments(text: str) -> None:
    argv = tuple(text.split("\0"))
    for read in (nics_of, monitors, agent_socket, netdevs, taps_in, globals_of):
        made = read(argv)
        _ = made if isinstance(made, int | frozenset) else list(made)
    parse_machine(argv)


def _known_hosts(text: str) -> None:
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        known_keys("hv", [file.name])


def _journal(text: str) -> None:
    written_journal(parse_journal(text))


def _answer(parse: Callable[[object], object]) -> Callable[[str], object]:
    """Of a monitor, which hands on documents."""

    def read(text: str) -> object:
        with reading("an answer", text):
            said = read_json(text)
        return parse(said)

    return read


def _twice(compare: Callable[[str, str], object]) -> Callable[[str], object]:
    plain = texts("domains/libvirt-9.0.0/windows.xml")[0]
    return lambda text: (compare(plain, text), compare(text, plain))


DOMAINS = texts("domains/*/*.xml") + texts("cases/xml/*.xml")
STATUSES = texts("qemu-*/virtio-status-*.json")
ARGV = ("\0".join(json.loads((FIXTURES / "rscvm-0.1.0" / "armed" / "process.json").read_text())),
        'qemu\0-netdev\0tap,id=n,ifname=t0\0-device\0{"driver":"virtio-net-pci","netdev":"n","id":"x"}\0-qmp\0unix:/q,server=on',
        "qemu\0-nic\0tap,ifname=t1,model=virtio-net-pci\0-mon\0chardev=m\0-chardev\0socket,id=m,path=/a,,b,server=on")  # fmt: skip
PCI = json.dumps([{"bus": 0, "devices": [{"bus": 0, "qdev_id": "n", "slot": 2, "function": 0, "id": {"device": 4161, "vendor": 6900}, "regions": [{"bar": 1, "type": "memory", "address": 4273995776, "size": 4096}], "class_info": {"class": 512}, "irq_pin": 1, "irq": 11}]}])  # fmt: skip
_NETWORK = "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>"

TEXTS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "accelerators": (parse_accelerators, texts("recorded-host/probe-*.txt")),
    "accelerators kept": (partial(kept_accelerators, "key"), texts("rscvm-0.1.0/accelerators.json")),
    "arguments": (_arguments, ARGV),
    "coalescing": (parse_coalesce, texts("ethtool-*/coalesce-*.txt")),
    "coalescing, JSON": (parse_coalesce_json, texts("ethtool-*/coalesce-*.json")),
    "devices' help": (parse_device_help, texts("qemu-*/device-help.txt")),
    "domain": (parse_domain, DOMAINS),
    "domain, changed": (_twice(changed_by_hand), DOMAINS),
    "domain, compared": (_twice(differences), DOMAINS),
    "domain, its devices": (defined_devices, DOMAINS),
    "domain, its form": (normal_form, DOMAINS),
    "domain, its paths": (paths_in, DOMAINS),
    "domain, laid out": (laid_out, DOMAINS),
    "features": (parse_features, texts("ethtool-*/tap-*.json")),
    "frames": (parse_samples, texts("frames-*/*.json")),
    "image": (parse_image_info, texts("qemu-*/image-info.json")),
    "guest, changed": (parse_guest_change, ('{"rscvm":"fix/1","fix":"rsc","adapter":"e","old":{"IPv4":false},"new":{"IPv4":true},"troubles":[]}',)),
    "guest, left by HLK": (parse_hck_leftovers, tuple(json.dumps(json.loads(text), separators=(",", ":")) for text in texts("composed/hck-*.json"))),
    "iperf3": (parse_client, texts("iperf3-*/*.json")),
    "keeper of TAPs": (parse_keeper_line, ("off tap0 7", "failed tap0 7 no such luck", "busy by root@hv")),
    "guest, its server": (parse_server, ('{"rscvm":"serve/1","server":"yes","addresses":["10.9.0.2","fe80::1","2001:db8::7"]}',)),
    "guest, its work": (parse_work, ('{"rscvm":"work/1","ticks":"cpu  1 2 3 4 5 6 7 8 9 10"}', '{"rscvm":"work/1","coalesced_host":7}')),
    "guest, Linux": (parse_linux_guest, texts("linux-6.1/guest.json")),
    "guest, Windows": (parse_windows_guest, tuple(json.dumps(json.loads(text), separators=(",", ":")) for text in texts("composed/windows-guest-*.json"))),
    "processor times": (parse_processor_times, texts("linux-6.18/qemu-threads-*.txt")),
    "Hyper-V by libvirt": (parse_domain_capabilities, texts("domcaps/*.xml") + texts("domcaps/composed/*.xml")),
    "Hyper-V by QEMU": (parse_cpu_expansion, tuple(monitor_text(f"composed/cpu-expansion-kvm-{vendor}.json") for vendor in ("intel", "amd"))),
    "import": (_imported, DOMAINS),
    "KVM's module": (parse_kvm_module, ("/sys/module/kvm_amd/parameters/nested:1\n/sys/module/kvm_amd/parameters/avic:Y\n",)),
    "journal": (_journal, texts("rscvm-0.1.0/journal*.json") + texts("rscvm-0.1.0/armed/journal.json")),
    "known hosts": (_known_hosts, ("hv ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvY\n|1|c2FsdA==|aGFzaA== ssh-rsa AAAA\n@revoked * ssh-rsa AAAA\n",)),
    "lab file": (lambda text: parse_lab(text, "lab.yaml", "/", {}), texts("full-lab.yaml") + texts("rscvm-0.1.0/lab.yaml")),
    ".link file": (parse_link_options, texts("systemd-252/*.link")),
    "links": (parse_links, texts("iproute2-6.1/links*.json")),
    "MAC": (parse_permanent_mac, ("Permanent address: 52:54:00:12:34:56\n",)),
    "network": (parse_network, (_NETWORK,)),
    "OVS": (parse_ovs, texts("ovs-*/*.json")),
    "name of a device": (lambda name: device_kind(name, features("no-driver"), ()), ("tap0", "vnet1", "macvtap2", "fwpr100p0")),
    "paste": (_judged_paste, texts("ethtool-*/features-*.txt") + texts("pasted/*.txt") + texts("pasted-windows/*.txt") + DOMAINS),
    "PCI": (_answer(parse_pci), (PCI,)),
    "processes": (parse_processes, texts("evidence-every/local/sh-c-*.txt")),
    "queueing": (parse_queueing, texts("iproute2-6.1/qdisc*.json")),
    "TSC's frequency": (parse_tsc_frequency, ("<capabilities><host><cpu><counter name='tsc' frequency='2993187000' scaling='no'/></cpu></host></capabilities>",)),
    "URI": (reach, ("qemu+ssh://root@hv:22/system?keyfile=/k", "qemu:///session", "ssh://a@b")),
    "version": (parse_version, texts("qemu-*/version.txt")),
    "virtio": (_answer(parse_virtio_status), STATUSES),
}  # fmt: skip


@cache
def evidence_files(folder: str) -> dict[str, bytes]:
    root = FIXTURES / folder
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _as_asked_now(row: Row) -> Row:
    """A row of `evidence-every` as an answer to what is asked today, whatever has become of the script since."""
    words = row.question.words
    if words[:2] == ("sh", "-c") and words[2].startswith(": QEMUs"):
        run = (LISTENING if words[-1] == "sockets" else QEMUS).run
        question = replace(row.question, words=run.argv, text=run.stdin)
        answer = replace(row.answer, argv=run.argv) if isinstance(row.answer, Result) else row.answer
        return replace(row, question=question, answer=answer)
    return row


def saved_evidence(folder: str, files: Mapping[str, bytes]) -> Saved:
    """The evidence of a folder with these of its files in place of its own."""
    files = {**evidence_files(folder), **files}
    saved = parse_saved(files["index.json"], lambda name: files.get(name, b""))
    return replace(saved, rows=tuple(map(_as_asked_now, saved.rows)))


def _judged_evidence(folder: str, mutate: Mutate, draw: Draw) -> None:
    changed = {}
    for name in draw.sample(sorted(evidence_files(folder)), 2):
        text = evidence_files(folder)[name].decode("utf-8", "replace")
        changed[name] = mutate(text, draw).encode("utf-8", "surrogatepass")
    saved = saved_evidence(folder, changed)
    for outcome in judge_saved(saved):
        if outcome.error is not None:
            raise outcome.error
        verdicts = outcome.value or []
        seen_by_a_person(verdicts)
        for verdict in verdicts:
            plan_repair(verdict, None)
    if draw.random() < 0.2:
        as_files(saved)


EVIDENCE = (
    "evidence-every",
    "rscvm-0.1.0/evidence",
    "rscvm-0.1.0/evidence-domains",
    "threads/hub",
    "threads/vmxnet3",
)


def _one(read: Callable[[str], object], seeds: Sequence[str], mutate: Mutate, draw: Draw) -> None:
    read(mutate(draw.choice(seeds), draw))


def targets(mutate: Mutate) -> dict[str, Callable[[Draw], Any]]:
    """What reads one hostile input each time that it is called."""
    parsers = {name: partial(_one, read, seeds, mutate) for name, (read, seeds) in TEXTS.items()}
    return {
        **parsers,
        **{f"evidence of {folder}": partial(_judged_evidence, folder, mutate) for folder in EVIDENCE},
    }

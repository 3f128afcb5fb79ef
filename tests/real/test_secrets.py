"""Secrets of other people's machines, and of ours: in nothing that rscvm starts, says or writes."""

from __future__ import annotations

import json
import secrets
import stat
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.beside import beside
from tests.real.demo_guest import GUEST
from tests.real.domains import SYSTEM, define
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.real

MONITOR = "/run/bare.qmp"
STATE = "/var/lib/rscvm"
PLACES = (
    "bare-object", "bare-json", "bare-fw-cfg", "bare-smbios", "bare-guestfwd", "bare-append", "unmonitored",
    "vnc-passwd", "xml-object", "xml-json", "xml-env", "xml-cmdline", "xml-oem",
    "lab-token", "lab-winrm", "uri",
)  # fmt: skip
SECRETS = {place: f"planted-{place}-{secrets.token_hex(8)}" for place in PLACES}
SECRETS["vnc-passwd"] = secrets.token_hex(4)  # VNC takes no more than 8 characters
"""A secret of its own for each place, so that a failure tells which got out."""


def bare(name: str, tap: str, *more: str) -> list[str]:
    """A QEMU of somebody's that never runs a guest, with one TAP."""
    nic = ["-netdev", f"tap,id=n,ifname={tap},script=no,downscript=no", "-device", "virtio-net-pci,netdev=n"]
    machine = ["-machine", "q35,accel=tcg", "-m", "64", "-nodefaults", "-display", "none", "-S"]
    return ["qemu-system-x86_64", "-name", f"guest={name}", *machine, *nic, *more, "-daemonize"]


def monitored() -> list[str]:
    plain = {place.removeprefix("bare-"): said for place, said in SECRETS.items()}
    return bare(
        "bare", "t0",
        "-object", f"secret,id=a,data={plain['object']},format=raw",
        "-object", json.dumps({"qom-type": "secret", "id": "b", "data": f"{plain['json']}\""}),
        "-fw_cfg", f"name=opt/org.example/token,string={plain['fw-cfg']}",
        "-smbios", f"type=11,value=io.systemd.credential:token={plain['smbios']}",
        "-netdev", f"user,id=u,guestfwd=tcp:10.0.2.100:80-cmd:true {plain['guestfwd']}",
        "-kernel", f"{GUEST}/vmlinuz", "-append", f"quiet token={plain['append']}",
        "-qmp", f"unix:{MONITOR},server=on,wait=off",
    )  # fmt: skip


KERNEL = f"<kernel>{GUEST}/vmlinuz</kernel><cmdline>quiet token={SECRETS['xml-cmdline']}</cmdline>"


def domain(name: str, *arguments: str, kernel: str = "") -> str:
    """A domain without a guest, whose definition has something to mend, and secrets wherever XML takes one."""
    words = "".join(f"<qemu:arg value='{word.replace(chr(34), '&quot;')}'/>" for word in arguments)
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name><memory unit='MiB'>64</memory>
  <sysinfo type='smbios'><oemStrings><entry>{SECRETS["xml-oem"]}</entry></oemStrings></sysinfo>
  <os><type arch='x86_64' machine='q35'>hvm</type>{kernel}<smbios mode='sysinfo'/></os>
  <devices>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='virtio'/>
      <driver><guest tso4='off' ecn='off'/></driver></interface>
    <graphics type='vnc' passwd='{SECRETS["vnc-passwd"]}'/><memballoon model='none'/>
  </devices>
  <qemu:commandline>{words}<qemu:env name='TOKEN' value='{SECRETS["xml-env"]}'/></qemu:commandline>
</domain>"""


LAB = f"""version: 1
hosts: {{local: {{bridges: {{br-lab: {{}}}}}}}}
machines:
  ours:
    backend: qemu
    guest: linux
    memory: 64MiB
    accel: tcg
    kernel: {{image: {GUEST}/vmlinuz, cmdline: "quiet token=${{LAB_TOKEN}}"}}
    nics: [{{bridge: br-lab}}]
    ask: [{{winrm: {{address: 10.9.0.2, user: admin, password_env: WIN_PW}}}}]
"""


@dataclass
class Planted:
    """A host full of secrets, and all that rscvm has started there, said and written."""

    host: Hypervisor
    folder: Path
    said: dict[str, str] = field(default_factory=dict)
    """By the command."""
    seen: set[str] = field(default_factory=set)
    """Command lines of processes that are no QEMUs."""

    def rscvm(self, *arguments: str, debug: bool = True) -> subprocess.CompletedProcess[bytes]:
        environment = {
            "LAB_TOKEN": SECRETS["lab-token"],
            "WIN_PW": SECRETS["lab-winrm"],
            "XDG_STATE_HOME": str(self.folder / "state"),
            "RSCVM_DEBUG": "1" if debug else "",
        }
        done = self.host.run(
            [sys.executable, "-m", "provision", "-v", *arguments], env=environment, timeout=120
        )
        self.said[" ".join(arguments)] = (done.stdout + done.stderr).decode()
        return done

    def look(self) -> None:
        """Note what runs; a QEMU has its own secrets, and who runs the tests knows them all."""
        for process in self.host.path("/proc").glob("[1-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if "qemu-system" not in (process / "exe").readlink().name:
                    self.seen.add(words)

    def sampled(self) -> AbstractContextManager[None]:
        """Look all the time within the block."""
        return beside(self.look, 0.002)

    def written(self) -> Mapping[str, bytes]:
        """Every file that rscvm may have written, by its path."""
        files = [*self.folder.rglob("*"), *self.host.path(STATE).rglob("*")]
        return {str(file): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(scope="module")
def planted(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    assert guest.is_dir()
    folder = tmp_path_factory.mktemp("written")
    with Hypervisor() as host:
        host.start_libvirtd()
        host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
        host.output(monitored())
        host.output(bare("unmonitored", "t1", "-object", f"secret,id=a,data={SECRETS['unmonitored']}"))
        in_json = json.dumps({"qom-type": "secret", "id": "y", "data": SECRETS["xml-json"]})
        objects = ("-object", f"secret,id=x,data={SECRETS['xml-object']}", "-object", in_json)
        define(host, domain("vm", *objects, kernel=KERNEL))
        host.virsh("start", "vm", "--paused")
        define(host, domain("mend", *objects).replace("00:01", "00:02"))
        host.virsh("start", "mend")
        found = Planted(host, folder)
        (folder / "lab.yaml").write_text(LAB)
        with found.sampled():
            run_everything(found)
        yield found


def run_everything(planted: Planted) -> None:
    """Every command that reads what has a secret."""
    folder, lab = planted.folder, str(planted.folder / "lab.yaml")
    documents = ["--html", f"{folder}/page.html", "--junit", f"{folder}/junit.xml"]
    planted.rscvm("check", "--save", f"{folder}/all", *documents)
    planted.rscvm("check", "--json")
    planted.rscvm("check", "--from", f"{folder}/all", "--html", f"{folder}/again.html")
    planted.rscvm("check", "--connect", SYSTEM, "--save", f"{folder}/domains", "--json")
    planted.rscvm("check", "--qmp", MONITOR, "--save", f"{folder}/one")
    planted.rscvm("import", "vm", "-o", f"{folder}/imported.yaml")
    planted.rscvm("fix", "--connect", SYSTEM, "mend", "--dry-run")
    planted.rscvm("fix", "--connect", SYSTEM, "mend", "--json")
    planted.rscvm("plan", lab)
    planted.rscvm("up", lab, "--no-check")
    planted.rscvm("status", lab, "--json")
    planted.rscvm("check", lab, "--save", f"{folder}/lab")
    planted.look()
    planted.rscvm("down", lab)
    planted.rscvm("check", "--connect", f"qemu+tcp://me:{SECRETS['uri']}@nowhere/system")
    planted.rscvm("check", "--connect", f"qemu+tcp://nowhere/system?password={SECRETS['uri']}", debug=False)


def found_in(text: str) -> set[str]:
    return {place for place, secret in SECRETS.items() if secret in text}


def test_what_was_planted_is_there_to_be_found(planted: Planted) -> None:
    """Or the other tests would find nothing whatever rscvm did."""
    arguments = " ".join(word for argv in planted.host.processes().values() for word in argv)
    definition = planted.host.virsh("dumpxml", "--security-info", "vm")

    assert set(SECRETS) - found_in(arguments + definition) == {"lab-token", "lab-winrm", "uri"}


def test_every_command_did_its_work(planted: Planted) -> None:
    ends = {command: said.strip().splitlines()[-1:] for command, said in planted.said.items()}
    assert "t0" in planted.said["check --json"]
    assert "t1" in planted.said["check --json"]
    assert "+        <guest tso4='on'" in planted.said[f"fix --connect {SYSTEM} mend --dry-run"], ends
    assert (planted.folder / "imported.yaml").exists(), ends
    assert (planted.folder / "lab" / "index.json").exists(), ends


def test_no_command_says_one(planted: Planted) -> None:
    """Neither on stdout nor on stderr, with every command shown and tracebacks wished for."""
    assert {command: found for command, said in planted.said.items() if (found := found_in(said))} == {}


def test_no_process_has_one_among_its_arguments(planted: Planted) -> None:
    ours = {words for words in planted.seen if "-m provision" not in words}
    typed = {words for words in planted.seen if "-m provision" in words}

    assert any("provision" in words for words in typed)
    assert {words for words in ours if found_in(words)} == set()
    assert {place for words in typed for place in found_in(words)} == {"uri"}  # as the user typed it


def test_no_file_has_one_but_the_copy_of_a_definition(planted: Planted) -> None:
    [backup] = (planted.folder / "state" / "rscvm" / "backups").iterdir()
    files = planted.written()
    kept = {name: found_in(text.decode(errors="replace")) for name, text in files.items()}

    assert SECRETS["vnc-passwd"] in backup.read_text()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700
    del kept[str(backup)]
    imported = kept.pop(str(planted.folder / "imported.yaml"))
    assert imported == {"xml-cmdline"}  # without which the machine would be another one
    assert {name: found for name, found in kept.items() if found} == {}


def test_no_answer_that_was_saved_hides_one_in_base64(planted: Planted) -> None:
    answers = [
        text for folder in ("all", "lab") for text in (planted.folder / folder).rglob("sh-c-QEMUs-*.txt")
    ]
    decoded = [
        subprocess.run(["base64", "-d", file], capture_output=True, check=True).stdout for file in answers
    ]

    assert any(b"secret,id=a,data=***" in text for text in decoded)
    assert {place for text in decoded for place in found_in(text.decode(errors="replace"))} == set()


def test_what_was_masked_is_judged_as_it_was(planted: Planted) -> None:
    live = planted.host.run(
        [sys.executable, "-m", "provision", "check", "--json", "--save", f"{planted.folder}/eq"]
    )
    again = subprocess.run(
        [sys.executable, "-m", "provision", "check", "--json", "--from", f"{planted.folder}/eq"],
        capture_output=True, check=False,
    )  # fmt: skip

    assert {nic["machine"] for nic in json.loads(live.stdout)["nics"]} == {
        "bare",
        "unmonitored",
        "vm",
        "mend",
    }
    assert json.loads(again.stdout) == json.loads(live.stdout)


WITH_TRACE = """
import sys
from provision.cli import main
from provision.edges.libvirt.connection import Libvirt
sys.argv = ["rscvm", "--version"]
try:
    main()
except SystemExit:
    Libvirt("qemu:///system").start("broken")
"""


def test_what_qemu_says_of_its_arguments_when_it_does_not_start_is_told_without_them(
    planted: Planted,
) -> None:
    """With the traceback, which has libvirt's own error."""
    xml = domain("broken", "-object", f"secret,id=x,data={SECRETS['xml-object']},nonsense=on")
    define(planted.host, xml)

    by_libvirt = planted.host.run(["virsh", "--connect", SYSTEM, "start", "broken"])
    ours = planted.host.run([sys.executable, "-c", WITH_TRACE])

    assert SECRETS["xml-object"] in by_libvirt.stderr.decode()
    assert ours.stderr.count(b"-object secret,id=x,data=***") == 2, ours.stderr
    assert b"Traceback" in ours.stderr
    assert found_in(ours.stderr.decode()) == set()

"""`hck cleanup` by a real agent: in the demo guest a stand-in for PowerShell has something of HLK's left, and removes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.asked_guests import AskedGuest
from tests.real.conftest import Lab
from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

LAB = f"""version: 1
labs:
  rsc:
    topology: dut-only
    dut:
      backend: qemu
      guest: windows
      memory: 192MiB
      vcpus: 1
      accel: tcg
      kernel: {{image: {GUEST}/vmlinuz, initrd: {GUEST}/initrd, cmdline: "{CMDLINE} rsc.driver=hck"}}
"""
DUT = "rsc-dut"
AGENT = f"/var/lib/rscvm/lab/{DUT}.agent"

# No Windows, and no PowerShell: it takes a script as that does, and answers as our scripts are meant to (composed). It
# removes its package where the script says by name that it may, and whether it does is up to /tmp/stays.
POWERSHELL = r"""
mkdir -p /usr/bin
cat >/usr/bin/powershell.exe <<'END'
#!/bin/sh
read -r line
text=$(printf %s "${line%.}" | base64 -d)
things() {
    [ ! -e /tmp/left ] || package='{"name":"oem12.inf","files":["spartadrv.sys"],"provider":"Microsoft","class":"NetTrans","version":"1"}'
    printf '{"components":[],"packages":[%s],"services":[],"files":[]}' "$package"
}
found=$(things)
case $text in
*"named = @('package oem12.inf')"*)
    [ -e /tmp/stays ] || rm -f /tmp/left
    printf '{"rscvm":"hck/1","found":%s,"left":%s,"troubles":[]}\r\n' "$found" "$(package=; things)" ;;
*RemovePackages*) exit 1 ;;
*) printf '{"rscvm":"hck/1","found":%s,"troubles":[]}\r\n' "$found" ;;
esac
END
chmod +x /usr/bin/powershell.exe
: >/tmp/left
"""


@pytest.fixture(scope="module")
def dut(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, AskedGuest]]:
    """A lab's DUT, for all tests; its guest's agent answers."""
    assert guest.is_dir()
    path = tmp_path_factory.mktemp("lab") / "lab.yaml"
    path.write_text(LAB)
    with Hypervisor() as host:
        lab = Lab(host, path)
        up = lab.run("up", "--no-check", "--wait", "90")
        assert up.returncode == 0, up.stdout + up.stderr
        asked = AskedGuest(host, {"kind": "agent", "socket": AGENT})
        asked.until_asked()
        yield lab, asked
        assert lab.run("down").returncode == 0


def cleanup(lab: Lab, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the DUT's row, and what was said on stderr."""
    done = lab.rscvm("hck", "cleanup", str(lab.path), *options, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "rscvm/hck-cleanup/1", done.stdout
    [row] = document["machines"]
    assert row["machine"] == DUT
    return done.returncode, {**row, "by_hand": document["by_hand"]}, done.stderr


def found(row: dict[str, Any], what: str) -> list[str]:
    return [thing["name"] for thing in row[what]]


def test_a_guest_that_has_no_powershell_is_unknown_and_the_script_is_handed_to_whom_sits_before_it(
    dut: tuple[Lab, AskedGuest],
) -> None:
    lab, _ = dut
    status, row, said = cleanup(lab)

    assert (status, row["found"], row["error"]) == (4, [], None)
    assert "powershell.exe" in row["unasked"]
    assert "function RemovePackages" in row["by_hand"]["script"]
    assert f"rscvm: {DUT}: " in said


def test_what_is_left_is_shown_removed_and_gone(dut: tuple[Lab, AskedGuest]) -> None:
    lab, guest = dut
    assert guest.ran(POWERSHELL)["status"] == 0

    dry = cleanup(lab, "--dry-run")
    guest.ran(": >/tmp/stays")
    stays = cleanup(lab)
    guest.ran("rm /tmp/stays")
    removed = cleanup(lab)
    nothing = cleanup(lab, DUT)

    assert (dry[0], found(dry[1], "found"), found(dry[1], "left")) == (0, ["oem12.inf"], ["oem12.inf"])
    assert (stays[0], stays[1]["error"]["message"]) == (3, f"{DUT}: still there: package oem12.inf")
    assert (removed[0], found(removed[1], "found"), removed[1]["left"]) == (0, ["oem12.inf"], [])
    assert (stays[1]["restart"], removed[1]["restart"]) == (False, True)
    assert (nothing[0], nothing[1]["found"], nothing[1]["unasked"]) == (0, [], None)

"""`fix` of what only the next start of somebody else's domain would have wrong, under a real libvirtd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.real.foreign import URI, Vm
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.hypervisor import Hypervisor


def test_a_definition_that_would_start_broken_is_mended_while_nothing_is_restarted(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """While it runs ready from before, and while it is off."""
    vm = Vm(with_libvirt, tmp_path)
    good, file = vm.definition(), tmp_path / "broken.xml"
    file.write_text(
        good.replace("<model type='virtio'/>", "<model type='virtio'/><driver><guest tso4='off'/></driver>")
    )
    for state in ("running", "shut off"):
        vm.host.virsh("define", str(file))
        if state == "shut off":
            vm.host.virsh("destroy", "vm")
        checked = rscvm(vm.host, "check", "--connect", URI, "vm").stdout
        assert f"  fix: rscvm fix --connect {URI} vm\n" in checked, checked
        done, document = vm.fix("--restart")

        assert [change["cause"] for change in document["changed"]] == ["guest-offloads-off"], done.stderr
        assert (
            vm.definition()
            == vm.backups()[-1].read_text().rstrip("\n").replace("tso4='off'", "tso4='on'") + "\n"
        )
        assert "takes effect at its next start" in document["notes"][-1]
        assert vm.host.virsh("domstate", "vm").strip() == state
        assert vm.fix()[1]["changed"] == []

"""Inventory of a libvirt's domains, with what keeps large segments from each."""

from __future__ import annotations

DOCUMENTATION = r"""
name: libvirt
short_description: A libvirt's domains with their verdicts
version_added: 0.2.0
description:
  - Gives each domain of a libvirt that has a NIC as a host, with the verdict of C(rscvm check) and its causes as variables.
  - Groups C(rsc_ready), C(rsc_not_ready) and C(rsc_unknown), one for each cause (C(cause_gro_off)), and whatever is constructed.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [rscvm.kvm.libvirt]
  uri:
    description: The libvirt.
    type: str
    default: qemu:///system
  monitor:
    description: Whether QEMU's monitors are asked; libvirt marks a domain as tainted by that.
    type: bool
    default: true
extends_documentation_fragment:
  - constructed
author:
  - rscvm's developers (!UNKNOWN)
"""

EXAMPLES = r"""
# here.rscvm-libvirt.yml
plugin: rscvm.kvm.libvirt
uri: qemu+ssh://root@hv1/system
groups:
  to_power_cycle: "'guest-offloads-off' in rscvm_causes"
"""

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

_WORST = ("not-ready", "unknown", "ready")


class InventoryModule(BaseInventoryPlugin, Constructable):
    """rscvm.kvm.libvirt."""

    NAME = "rscvm.kvm.libvirt"

    def verify_file(self, path: str) -> bool:
        """Whether the file is meant for us."""
        return bool(super().verify_file(path)) and path.endswith(
            (".rscvm-libvirt.yml", ".rscvm-libvirt.yaml")
        )

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the domains."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            found = rscvm.document(
                rscvm.check_domains(self.get_option("uri"), monitor=self.get_option("monitor"))
            )
        except rscvm.RscvmError as error:
            raise AnsibleParserError(str(error)) from error
        by_name: dict[str, list[dict[str, Any]]] = {}
        for nic in found["nics"]:
            by_name.setdefault(nic["machine"], []).append(nic)
        for name, nics in by_name.items():
            # A host's name is a template to Ansible before 2.19, whatever it is wrapped in.
            self._add(name.translate({ord("{"): "_", ord("}"): "_"}), nics)

    def _add(self, name: str, nics: list[dict[str, Any]]) -> None:
        """One domain, with its groups."""
        verdict = next(each for each in _WORST if each in {nic["verdict"] for nic in nics})
        causes = sorted({nic["cause"] for nic in nics if nic["cause"]})
        # What a host tells is no template: the wrapping is for Ansible before 2.19, which would run it as one.
        said = wrap_var({"rscvm_verdict": verdict, "rscvm_causes": causes, "rscvm_nics": nics})
        self.inventory.add_host(name)
        for key, value in said.items():
            self.inventory.set_variable(name, key, value)
        for group in (f"rsc_{verdict}", *(f"cause_{cause}" for cause in causes)):
            self.inventory.add_host(name, group=self.inventory.add_group(group.replace("-", "_")))
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), said, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), said, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), said, name, strict=strict)

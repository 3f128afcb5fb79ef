"""Evidence out of a machine's configuration that somebody pasted: libvirt's XML, Proxmox' `qm config`. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from provision.facts.domain_devices import DefinedDevice, defined_devices
from provision.facts.overrides import is_kept
from provision.facts.pasted_domain import PastedDomain, pasted_domains
from provision.facts.qm_config import QmConfig, QmNic, parse_qm_configs
from provision.runtime.errors import UnreadableError
from provision.tables.models import LIBVIRTS_VIRTIO
from provision.tables.offloads import BY_NAME, RSC_OFFLOADS
from provision.verify.collect.machines import nics_in_xml
from provision.verify.collect.pasted_notes import ABSENT, lacking
from provision.verify.evidence import Cut, NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PIECE = "this is a piece of its XML: what <qemu:commandline> says of all virtio NICs is not known"
_DEFINED = "this is what its next start makes; what runs may be otherwise"


def domain_nics(source: str, text: str) -> Iterator[NicEvidence]:
    """Every NIC of the domains whose XML is in a text."""
    for domain in pasted_domains(text):
        try:
            nics, devices = nics_in_xml("pasted", source, domain.xml), defined_devices(domain.xml)
        except UnreadableError:
            continue
        # Those of <qemu:commandline> come last, with their arguments.
        for nic, device in zip_longest(nics, devices):
            notes = [_PIECE] if not domain.whole else [] if domain.running else [_DEFINED]
            cuts = tuple(replace(cut, seen="<link state='down'/> in what was pasted") for cut in nic.cuts)
            yield replace(
                nic,
                machine=domain.name or source,
                properties=_properties(nic, domain, device) if device else nic.properties,
                virtio=ABSENT,
                features=_untold(nic.tap),
                cuts=cuts,
                notes=(*nic.notes, *notes),
            )


def _untold(tap: str | None) -> Unasked:
    return lacking(f"`ethtool -k {tap}`") if tap else ABSENT


def _properties(
    nic: NicEvidence, domain: PastedDomain, device: DefinedDevice
) -> Mapping[str, bool] | Unasked:
    """The offloads as its XML has them, where nothing that is not there can have changed them."""
    if device.trouble:
        return Unasked(device.trouble, final=True)
    alias = nic.path.rpartition("/")[2]
    if not domain.whole and is_kept(alias):
        return Unasked(
            f"an override may change its offloads by its alias {alias}, and was not pasted", final=True
        )
    return {name: device.offloads[name] for name in RSC_OFFLOADS}


def proxmox_nics(source: str, lines: Iterable[str]) -> Iterator[NicEvidence]:
    """Every NIC of the machines of Proxmox VE whose configuration is in these lines."""
    for config in parse_qm_configs(lines):
        for nic in config.nics:
            yield _proxmox_nic(source, config, nic)


def _proxmox_nic(source: str, config: QmConfig, nic: QmNic) -> NicEvidence:
    # Proxmox VE says nothing of offloads to QEMU; without a bridge it makes a user-mode network (PVE::QemuServer).
    properties: Mapping[str, bool] | Unasked = {name: BY_NAME[name].default for name in RSC_OFFLOADS}
    if config.arguments:
        properties = Unasked("its `args:` may change the device", final=True)
    tap = f"tap{config.vm}i{nic.index}" if config.vm and nic.bridge else None
    return NicEvidence(
        host="pasted",
        machine=config.name or config.vm or source,
        nic=f"net{nic.index}",
        mac=nic.mac,
        tap=tap,
        rsc=None,
        purpose=None,
        state="unknown",
        kind="ethernet" if nic.bridge else "user",
        model="virtio" if nic.model in LIBVIRTS_VIRTIO else nic.model,
        properties=properties,
        virtio=ABSENT,
        features=_untold(tap),
        bridge=nic.bridge,
        mtu=nic.mtu,
        cuts=(Cut("xml", "link_down=1 in what was pasted"),) if nic.link_down else (),
        notes=(_DEFINED,),
    )

"""Causes at rung *configured*: QEMU did not get what RSC needs."""

from __future__ import annotations

from provision.tables.backends import INTERFACES
from provision.tables.models import OWN_LRO
from provision.tables.offloads import BY_NAME, HCK, TSO
from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import (
    INITIALIZE_RSC_STATE,
    POWER_CYCLE,
    VIRTIO_NET_C,
    VIRTIO_STATUS,
    Fix,
    always,
    cause,
)
from provision.verify.judge.causes.offered import hck_flags_in_production
from provision.verify.judge.ladder import loaded, own_driver_decides, without_vnet_header


def _is_cut(nic: NicEvidence, at: str) -> bool:
    """Whether its cable is out at that place."""
    return any(cut.at == at for cut in nic.cuts)


def _wants_tap(nic: NicEvidence) -> bool:
    """Whether its backend is another one than a TAP, and one that can be exchanged for it."""
    return not INTERFACES[nic.kind].is_opened and nic.kind not in ("hub", "none")


def _has_tap_of_qemus(nic: NicEvidence) -> bool:
    """Whether QEMU may have opened the TAP itself."""
    return INTERFACES[nic.kind].is_opened and not nic.by_fd and not nic.misnamed


@cause(
    "configured",
    "start it",
    scope="nic",
    unknown=always,
    seen="`virsh domstate DOMAIN`: shut off; of a QEMU without libvirt: no process has its pidfile",
    source="nobody is there to be asked",
)
def machine_off(nic: NicEvidence, _family: Family) -> str:
    """Nothing can be seen of a machine that is not running."""
    return "the machine is not running" if nic.state == "off" else ""


@cause(
    "configured",
    "resume the machine",
    scope="nic",
    unknown=always,
    seen=f"`virsh domstate DOMAIN`: paused, or QMP query-status: running false; and {VIRTIO_STATUS}: no VIRTIO_CONFIG_S_DRIVER_OK",
    source="virtio specification, device status field: the guest's driver sets DRIVER_OK, and a paused guest runs none",
)
def machine_paused(nic: NicEvidence, _family: Family) -> str:
    """The machine is paused before its driver took the device; what it would take is not known yet."""
    early = nic.state == "paused" and not isinstance(nic.virtio, Unasked) and not loaded(nic)
    return "the machine is paused, and no driver has taken the device" if early else ""


@cause(
    "configured",
    Fix(
        "`virsh domif-setlink {machine} {mac} up`, and again with `--config` where its definition has `<link state='down'/>`",
        "libvirt",
        when=lambda nic: _is_cut(nic, "xml"),
    ),
    Fix(
        "`set_link NAME on` at the human monitor, NAME as `info network` has it",
        when=lambda nic: _is_cut(nic, "qemu"),
    ),
    Fix("`ip link set dev {tap} up`", when=lambda nic: _is_cut(nic, "tap")),
    Fix("`ip link set dev {tap} master {bridge}`", when=lambda nic: _is_cut(nic, "port")),
    Fix("`bridge link set dev {tap} state 3`, unless STP holds it", when=lambda nic: _is_cut(nic, "state")),
    Fix(
        "wait: STP lets {tap} forward once {bridge}'s forward_delay has passed twice (`ip -d link show {bridge}`)",
        when=lambda nic: _is_cut(nic, "learning"),
    ),
    Fix("`ip link set dev {bridge} up`", when=lambda nic: _is_cut(nic, "bridge")),
    Fix(
        "make {bridge} again, and `ip link set dev {tap} master {bridge}`; a power cycle of the machine does the latter",
        when=lambda nic: _is_cut(nic, "missing"),
    ),
    scope="nic",
    seen="live XML: <link state='down'/>; HMP `xp` of the device's configuration: VIRTIO_NET_S_LINK_UP is not set; on the host, "
    "`ip link show TAP`: not UP, not `master` of the bridge that its machine's definition names; that bridge not UP, or not there; `bridge link`: its state",
    source="QEMU net/net.c (qmp_set_link, qemu_deliver_packet); Linux net/bridge/br_stp_if.c: a bridge that is down forwards nothing; "
    "measured, QEMU 7.2",
)
def link_down(nic: NicEvidence, _family: Family) -> str:
    """The guest's cable is out: nothing gets through to it, in whatever segments."""
    return "; ".join(cut.seen for cut in nic.cuts)


@cause(
    "configured",
    Fix("`model: virtio` of the NIC, which is the default", "lab"),
    Fix("`<model type='virtio'/>`", "libvirt"),
    Fix("`-device virtio-net-pci`", "qemu"),
    Fix("a Windows guest then needs NetKVM from virtio-win", "guest"),
    POWER_CYCLE,
    scope="nic",
    unknown=own_driver_decides,
    seen="live XML: <model type=…/> of the <interface> is not virtio, or its type is hostdev",
    source=f"{VIRTIO_NET_C} (virtio_net_set_features): the TAP's offloads follow what a virtio driver took; hw/net/vmxnet3.c "
    "(vmxnet3_update_features): they follow a vmxnet3 driver too, where the TAP has a vnet header (measured, QEMU 7.2)",
)
def not_virtio(nic: NicEvidence, _family: Family) -> str:
    """Only for virtio-net, and for vmxnet3 by its driver, QEMU asks a TAP for large frames; other models are handed single ones."""
    if nic.kind == "hostdev":
        return "a passed-through device: its own driver decides"
    if own_driver_decides(nic):
        return (
            f"the NIC's model is {nic.model}, whose own driver asks the TAP for large segments, or does not"
        )
    return f"the NIC's model is {nic.model}" if nic.model not in ("virtio", "", *OWN_LRO) else ""


@cause(
    "configured",
    Fix("`<model type='virtio'/>`", "libvirt", lambda nic: bool(nic.misnamed) or nic.model != "virtio"),
    Fix("put the NIC on a TAP by `bridge:` or `tap: true`", "lab", _wants_tap),
    Fix("put the NIC on a TAP by `<interface type='bridge'>`", "libvirt", _wants_tap),
    Fix(
        "put the NIC on a TAP, and leave out `vnet_hdr=off`",
        "qemu",
        lambda nic: _wants_tap(nic) or _has_tap_of_qemus(nic),
    ),
    Fix(
        "`-netdev tap,id=ID,…` and `-device virtio-net-pci,netdev=ID`, which lie back to back, in place of `-net` or `hubport`",
        "qemu",
        lambda nic: nic.kind == "hub",
    ),
    Fix(
        "`-netdev tap,id=ID,…` with `netdev=ID` on the device, which has nothing to send to or receive from",
        "qemu",
        lambda nic: nic.kind == "none",
    ),
    Fix(
        "whoever opens the TAP and hands QEMU its descriptor must set IFF_VNET_HDR in TUNSETIFF; QEMU cannot add it",
        "anyone",
        lambda nic: nic.by_fd,
    ),
    POWER_CYCLE,
    seen="live XML or -netdev: type user, or vnet_hdr=off; `<model type=…>` of a virtio NIC that is not virtio, "
    "virtio-transitional or virtio-non-transitional; HMP `info network`: a hub, no netdev, or one of type socket, stream, dgram; "
    "on the host, `ip -details link show TAP`: vnet_hdr off; or qom-get of guest_csum is true and "
    "host-features of x-query-virtio-status lack VIRTIO_NET_F_GUEST_CSUM",
    source=f"{VIRTIO_NET_C} (virtio_net_get_features); libvirt src/hypervisor/domain_interface.c "
    "(virDomainInterfaceIsVnetCompatModel); measured, QEMU 7.2 and 10.0, libvirt 9.0",
)
def no_vnet_header(nic: NicEvidence, _family: Family) -> str:
    """Without the vnet header QEMU cannot be told about checksums and segments, so it offers neither to the guest."""
    return without_vnet_header(nic) if nic.model in ("virtio", *OWN_LRO) else ""


@cause(
    "configured",
    Fix("take guest_csum, guest_tso4 and guest_tso6 out of `offloads`, and `rsc: false` off the NIC", "lab"),
    Fix("`<driver><guest csum='on' tso4='on' tso6='on'/></driver>`", "libvirt"),
    Fix("`guest_csum=on,guest_tso4=on,guest_tso6=on` of its `-device`", "qemu"),
    POWER_CYCLE,
    seen="QMP, qom-get of guest_csum, guest_tso4 and guest_tso6 at /machine/peripheral/ALIAS; in the live XML "
    "<driver><guest csum= tso4= tso6=/></driver>",
    source=f"{VIRTIO_NET_C} (virtio_net_properties: on unless said otherwise); {INITIALIZE_RSC_STATE}: no TSO without checksum",
)
def guest_offloads_off(nic: NicEvidence, family: Family) -> str:
    """The guest is only offered what the device has on, and its driver takes no guest TSO without guest checksum."""
    if isinstance(nic.properties, Unasked):
        return ""
    off = [name for name in ("guest_csum", TSO[family]) if not nic.properties.get(name, False)]
    return f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off on the device" if off else ""


@cause(
    "configured",
    Fix("`rscvm down --keep-disks` and `rscvm up` make it as `rsc: hck` has it", "lab"),
    Fix("an override under the NIC's own `ua-` alias, and `<driver name='qemu'/>`", "libvirt"),
    Fix("`vhost=off` of its `-netdev`", "qemu"),
    POWER_CYCLE,
    scope="beside",
    seen="guest_rsc_ext in the XML's <qemu:override>, beside qom-get of guest_rsc_ext, and in x-query-virtio-status "
    "vhost-started and VIRTIO_NET_F_RSC_EXT and GUEST_TSO4 or GUEST_TSO6 of host-features",
    source=f"{VIRTIO_NET_C} (virtio_net_set_features, virtio_net_receive); QEMU f8e09b973a: not offered under vhost since 9.1; "
    "an alias that matches nothing is ignored (measured, libvirt 9.0 and 11.3)",
)
def hck_flags_ineffective(nic: NicEvidence, family: Family) -> str:
    """QEMU's own coalescing needs guest_rsc_ext at the device, its own datapath (vhost off), a vnet header and guest TSO."""
    properties, facts = nic.properties, nic.virtio
    has = not isinstance(properties, Unasked) and properties.get(HCK, False)
    if (
        not (nic.rsc_asked or nic.hck or has)
        or isinstance(properties, Unasked)
        or hck_flags_in_production(nic, family)
    ):
        return ""
    if not has:
        return "guest_rsc_ext is asked for, and the device does not have it on"
    if isinstance(facts, Unasked):
        return ""
    if facts.vhost:
        return "guest_rsc_ext is on, and vhost carries the packets past QEMU: harmless, and of no use"
    if not any(BY_NAME[name].virtio in facts.offered for name in TSO.values()):
        return "guest_rsc_ext is on, and no guest TSO is offered: harmless, and of no use"
    return (
        "guest_rsc_ext is on, and is not offered (vhost?): harmless, and of no use"
        if BY_NAME[HCK].virtio not in facts.offered
        else ""
    )

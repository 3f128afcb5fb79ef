"""What a lab file may not say, where it is told, and what stands right beside it and is allowed."""

from __future__ import annotations

import pytest

from tests.labs import NIC, ROLE, ROLES, dut_only, load, machine, refused

CONTROL = "must not have control characters"
NOT_A_NAME = "must be 1 to 63 of letters, digits, `.`, `_` and `-`"
NOT_A_TAP = "must be 1 to 15 of letters, digits, `_`, `.` and `-`"
NOT_AN_ALIAS = "must be 1 to 32 of letters, digits, `_` and `-`"
NOT_A_MAC = "must be six hexadecimal pairs"
NOT_AN_ADDRESS = "must be a host name or an IP address"
RENAMED = "libvirt silently renames those"
ABSOLUTE = "must be absolute: it is a path on h"
EXACTLY_ONE = "needs exactly one of bridge, network, tap, macvtap and user"


def nic(keys: str) -> str:
    return machine(f"nics: [{{{keys}}}]")


def hck(keys: str) -> str:
    return machine(f"purpose: hck, nics: [{{rsc: hck, {keys}}}]")


def two(first: str, second: str, of: str = ROLE) -> str:
    a, b = f"{{{ROLE}, nics: [{{tap: on, {first}}}]}}", f"{{{of}, nics: [{{tap: on, {second}}}]}}"
    return f"machines: {{a: {a}, b: {b}}}\n"


REFUSED_NICS = {  # what the NIC says: its key that is blamed, and why
    "queues: 1": ("", f"{EXACTLY_ONE}, and has none"),
    "tap: off": ("", f"{EXACTLY_ONE}, and has none"),
    "bridge: b, user: on": ("", f"{EXACTLY_ONE}, and has bridge and user"),
    "bridge: b, tap: on": ("", f"{EXACTLY_ONE}, and has bridge and tap"),
    "tap: on, macvtap: e": ("", f"{EXACTLY_ONE}, and has tap and macvtap"),
    "network: n, bridge: b": ("", f"{EXACTLY_ONE}, and has bridge and network"),
    "tap: on, vlan: 10": (".vlan", "is for `bridge`, and one of Open vSwitch's"),
    "network: n, vlan: 10": (".vlan", "is for `bridge`, and one of Open vSwitch's"),
    "bridge: b, vlan: 0": (".vlan", "must be at least 1, not 0"),
    "bridge: b, vlan: 4095": (".vlan", "must be at most 4094, not 4095"),
    "bridge: b, vlan: on": (".vlan", "must be a whole number"),
    "network: a/b": (".network", "must be the name of a libvirt network, without `/`"),
    'network: ""': (".network", "must be the name of a libvirt network"),
    r'network: "a\tb"': (".network", CONTROL),
    "user: on, rsc: off, ifname: t": (".ifname", "has no meaning with user"),
    "user: on, rsc: off, mtu: 1500": (".mtu", "has no meaning with user"),
    "user: on, rsc: off, vhost: on": (".vhost", "needs a TAP"),
    "user: on, rsc: off, queues: 2": (".queues", "needs a TAP"),
    "bridge: b, rsc: hck": (".rsc", "hck needs `purpose: hck`"),
    "tap: on, rsc_interval: 1": (".rsc_interval", "is only for `rsc: hck`"),
    "user: on, rsc: on": (".rsc", "true does not work on user"),
    "user: on": (".rsc", "true does not work on user"),
    "tap: on, model: e1000e, rsc: on": (".rsc", "e1000e has no RSC"),
    "tap: on, rsc: maybe": (".rsc", "must be true, false or hck, not 'maybe'"),
    "tap: on, offloads: {guest_csum: off}": (".offloads", "guest_tso4 needs guest_csum, which is off"),
    "tap: on, rsc: off, offloads: {guest_tso6: on}": (".offloads.guest_tso6", "guest_tso6 needs guest_csum"),
    "tap: on, offloads: {guest_uso4: on, guest_uso6: off}": (".offloads.guest_uso4", "needs guest_uso6"),
    "tap: on, offloads: {guest_rsc_ext: on}": (".offloads.guest_rsc_ext", "has one door only: `rsc: hck`"),
    "tap: on, offloads: {guest_rsc_ext: off}": (".offloads.guest_rsc_ext", "has one door only: `rsc: hck`"),
    "tap: on, offloads: {guest_rsc: on}": (".offloads.guest_rsc", "is no offload; there are csum, "),
    "tap: on, model: e1000e, offloads: {csum: off}": (".offloads", "is for virtio"),
    "tap: on, tx_queue_size: 256": (".tx_queue_size", "is no key here"),
    "tap: on, rx_queue_size: 300": (".rx_queue_size", "must be 256, 512 or 1024, not 300"),
    "tap: on, queues: 0": (".queues", "must be at least 1, not 0"),
    "tap: on, mac: 01:00:5e:00:00:01": (".mac", "must not be a multicast address"),
    "tap: on, mac: 52-54-00-12-34-56": (".mac", NOT_A_MAC),
    "tap: on, mac: '52:54:00:12:34'": (".mac", NOT_A_MAC),
    r'tap: on, mac: "52:54:00:12:34:56\n"': (".mac", NOT_A_MAC),
    "tap: on, mac: '00:00:00:00:00:00'": (".mac", "must not be all zeros"),
    "tap: on, ifname: a123456789012345": (".ifname", NOT_A_TAP),
    "tap: on, ifname: \u00e9": (".ifname", NOT_A_TAP),
    r'tap: on, ifname: "t\n"': (".ifname", NOT_A_TAP),
    "tap: on, ifname: ..": (".ifname", NOT_A_TAP),
    "tap: on, ifname: ''": (".ifname", NOT_A_TAP),
    "tap: on, ifname: vnet0": (".ifname", RENAMED),
    "tap: on, ifname: vif1.0": (".ifname", RENAMED),
    "tap: on, ifname: macvtap3": (".ifname", RENAMED),
    "tap: on, ifname: macvlan3": (".ifname", RENAMED),
    "bridge: a123456789012345": (".bridge", NOT_A_TAP),
    "tap: on, name: a.b": (".name", NOT_AN_ALIAS),
    f"tap: on, name: {'a' * 33}": (".name", NOT_AN_ALIAS),
    "macvtap: ../e": (".macvtap", "must be a network device's name"),
    r'macvtap: "\ud800"': (".macvtap", CONTROL),
}

REFUSED_HCK = {  # beside `rsc: hck` on a machine with `purpose: hck`
    "tap: on, vhost: on": (".vhost", "must not be true with `rsc: hck`"),
    "tap: on, queues: 2": (".queues", "must be 1 with `rsc: hck`, not 2"),
    "user: on": (".rsc", "hck does not work on user"),
    "network: n": (".rsc", "hck does not work on network"),
    "bridge: b, vlan: 10": (".vlan", "what else its bridge carries cannot be seen"),
    "macvtap: eno1": (".rsc", "hck does not work on macvtap"),
    "tap: on, model: e1000e": (".rsc", "e1000e has no RSC"),
    "tap: on, offloads: {guest_csum: off}": (".offloads", "must leave guest_csum on with `rsc: hck`"),
    "tap: on, offloads: {guest_tso4: off, guest_tso6: off}": (
        ".offloads",
        "must leave guest_tso4 or guest_tso6",
    ),
    "tap: on, offloads: {ctrl_vq: off}": (".offloads", "must leave ctrl_vq on"),
    "tap: on, offloads: {ctrl_guest_offloads: off}": (".offloads", "must leave ctrl_guest_offloads on"),
    "tap: on, rsc_interval: -1": (".rsc_interval", "must be at least 0"),
}

REFUSED_MACHINES = {  # what the machine says beside guest and memory
    "backend: qemu, nics: [{macvtap: e, rsc: off}]": (".nics[0].macvtap", "needs backend libvirt"),
    "backend: qemu, nics: [{network: n}]": (".nics[0].network", "needs backend libvirt"),
    "disks: [{image: a.VHDX}]": (".disks[0].image", "is vhdx, which libvirt does not know"),
    "nics: [{tap: on, name: net1}, {tap: on}]": (".nics[1].name", "net1 is already that of m.nics[0]"),
    "nics: [{bridge: b}, {tap: on, ifname: b}]": (
        ".nics[1].ifname",
        "b is the name of a bridge or NIC",
    ),
    "nics: [{tap: on, ifname: t}, {tap: on, ifname: t}]": (
        ".nics[1].ifname",
        "t is already that of m.nics[0]",
    ),
    **{
        f'cdroms: ["/a\\U{ord(char):08x}b"]': (".cdroms[0]", CONTROL)
        for char in "\0\t\n\r\x1b\x7f\x85\x9f\u2028\u2029"
    },
    r'cdroms: ["/\u200b\n"]': (".cdroms[0]", CONTROL),
    r'cdroms: ["/\_\0"]': (".cdroms[0]", CONTROL),
    r'cdroms: ["/\ud800"]': (".cdroms[0]", CONTROL),
    "cdroms: ['']": (".cdroms[0]", "must not be empty"),
    r'kernel: {image: k, cmdline: "a\nb"}': (".kernel.cmdline", CONTROL),
    "machine: 'q35,usb=on'": (".machine", "has characters that cannot be there"),
    r'"\e[2J": 1': (r".\x1b[2J", "is no key here"),
    "host: hv9": (".host", "hv9 is not declared under hosts"),
    "host: h, disks: [{image: a}]": (".disks[0].image", ABSOLUTE),
    "host: h, cdroms: [/a, b]": (".cdroms[1]", ABSOLUTE),
    "host: h, kernel: {image: k}": (".kernel.image", ABSOLUTE),
    "host: h, kernel: {image: /k, initrd: i}": (".kernel.initrd", ABSOLUTE),
    "host: h, firmware: {code: c, vars: /v}": (".firmware.code", ABSOLUTE),
    "host: h, firmware: {code: /c, vars: v}": (".firmware.vars", ABSOLUTE),
    "vcpus: 8, cpu: {sockets: 2, cores: 2, threads: 1}": (".cpu", "2 x 2 x 1 is 4, not 8"),
    "vcpus: 3, cpu: {sockets: 2}": (".cpu", "2 x 1 x 1 is 2, not 3"),
    "disks: [{image: a, block: /dev/b}]": (".disks[0]", "exactly one of image and block, and has both"),
    "disks: [{block: /dev/b}, {block: /dev/b, bus: scsi}]": (".disks[1].block", "/dev/b is disk 0, too"),
    "disks: [{image: /a}, {image: /b}, {image: /a, overlay: off}]": (".disks[2].image", "/a is disk 0, too"),
    "disks: [{bus: scsi}]": (".disks[0]", "exactly one of image and block, and has neither"),
    "disks: [{block: /dev/b, overlay: on}]": (".disks[0].overlay", "a block device has none"),
    "disks: [{image: a, format: vhdx}]": (".disks[0].format", "is vhdx, which libvirt does not know"),
    "disks: [{image: a, format: luks}]": (".disks[0].format", "must be"),
    "machine: pc, firmware: uefi-secure-boot": (".firmware", "secure boot needs machine q35"),
    "ask: [{winrm: {address: a, user: u, password: x}}]": (".ask[0].winrm.password", "is no key here"),
    "iperf3: iperf3.exe": (".iperf3", "must be a file's whole path in Windows"),
    r'iperf3: "C:\\a\nb.exe"': (".iperf3", CONTROL),
    r"iperf3: 'C:\%TEMP%\iperf3.exe'": (".iperf3", "must be a file's whole path in Windows"),
    "ask: [telnet]": (".ask[0]", "must be agent, or one of ssh and winrm"),
    "ask: [{agent: {}}]": (".ask[0]", "must be agent, or one of ssh and winrm"),
}

REFUSED_FILES = {  # the file after its version: the place, and why
    machine("", "r-dut") + dut_only(ROLES): ("machines.r-dut", "is also what labs.r makes"),
    two("mac: '52:54:00:00:00:AB'", "mac: '52:54:00:00:00:ab'"): (
        "machines.b.nics[0].mac",
        "already that of a",
    ),
    two("ifname: t", "ifname: t"): ("machines.b.nics[0].ifname", "t is already that of a.nics[0]"),
    "state_dir: s\n" + machine("host: h"): ("state_dir", "must be absolute"),
    machine("").replace("1GiB", "1024"): ("machines.m.memory", "must be a number with KiB, MiB or GiB"),
    machine("", r'"a\nb"'): (r"machines.a\nb", NOT_A_NAME),
    machine("", "a" * 64): (f"machines.{'a' * 64}", NOT_A_NAME),
    **{
        machine("", f"'{name}'"): (f"machines.{name}", NOT_A_NAME)
        for name in ("", "-a", ".a", "_a", "a b", "a/b", "../a", "<", "&amp;", "a,b", "\u00e9")
    },
    "hosts: {-h: {address: h}}": ("hosts.-h", NOT_A_NAME),
    "hosts: {h: {}}": ("hosts.h.address", "is required for every host but local"),
    "hosts: {h: {address: -oProxyCommand=x}}": ("hosts.h.address", NOT_AN_ADDRESS),
    "hosts: {h: {address: root@h}}": ("hosts.h.address", NOT_AN_ADDRESS),
    "hosts: {h: {address: '..'}}": ("hosts.h.address", NOT_AN_ADDRESS),
    "hosts: {h: {address: h, port: 0}}": ("hosts.h.port", "must be at least 1, not 0"),
    "hosts: {local: {address: h}}": ("hosts.local.address", "has no meaning on local"),
    "hosts: {local: {port: 22}}": ("hosts.local.port", "has no meaning on local"),
    "hosts: {local: {user: root}}": ("hosts.local.user", "has no meaning on local"),
    "hosts: {local: {identity: /id}}": ("hosts.local.identity", "has no meaning on local"),
    "hosts: {h: {address: h, bridges: {b: {address: 10.9.0.1}}}}": (
        "hosts.h.bridges.b.address",
        "prefix length",
    ),
    r'hosts: {local: {nics: {e: {features: {"a\nb": on}}}}}': (r"hosts.local.nics.e.features.a\nb", CONTROL),
    "hosts: {local: {nics: {e: {coalesce: {x: 4294967296}}}}}": (
        "hosts.local.nics.e.coalesce.x",
        "below 2^32",
    ),
    "labs: {r: {topology: hlk-two-machine}}": ("labs.r.controller", "is required by hlk-two-machine"),
    dut_only(ROLES, "-r"): ("labs.-r", NOT_A_NAME),
    dut_only(ROLES, "r" * 60): (f"labs.{'r' * 60}", "63"),
    dut_only(f"{ROLES}, support: {{{ROLE}}}"): ("labs.r.support", "has no place in dut-only"),
    dut_only(f"host: hv9, {ROLES}"): ("labs.r.host", "hv9 is not declared under hosts"),
    dut_only(f"host: h, dut: {{{ROLE}, cdroms: [a]}}"): ("labs.r.dut.cdroms[0]", ABSOLUTE),
    "state_dir: s\n" + dut_only(f"host: h, {ROLES}"): ("state_dir", "must be absolute"),
    dut_only(f"dut: {{{ROLE}, machine: pc, backend: qemu}}"): ("labs.r.dut.machine", "must be a q35"),
    dut_only(f"dut: {{{ROLE}, nics: []}}"): ("labs.r.dut.nics", "is no key here"),
    dut_only(f"dut: {{{ROLE}, host: local}}"): ("labs.r.dut.host", "is no key here"),
    dut_only(f"dut: {{{ROLE}, purpose: hck}}"): ("labs.r.dut.purpose", "is no key here"),
}

REFUSED = {
    **{nic(keys): (f"{NIC}{key}", why) for keys, (key, why) in REFUSED_NICS.items()},
    **{hck(keys): (f"{NIC}{key}", why) for keys, (key, why) in REFUSED_HCK.items()},
    **{machine(keys): (f"machines.m{key}", why) for keys, (key, why) in REFUSED_MACHINES.items()},
    **REFUSED_FILES,
}
IDS = [*REFUSED_NICS, *(f"hck {keys}" for keys in REFUSED_HCK), *REFUSED_MACHINES, *REFUSED_FILES]

ACCEPTED = [
    *map(
        nic,
        (
            "tap: on, user: off",
            "user: on, rsc: off",
            "user: on, model: e1000e",
            "bridge: b, model: e1000e, rsc: off",
            "macvtap: eno1.5, rsc: on",
            "bridge: b, vhost: on, queues: 4",
            "tap: on, rsc: off, offloads: {guest_csum: on}",
            "tap: on, rsc: off, offloads: {guest_csum: on, guest_tso6: on}",
            "tap: on, offloads: {guest_uso6: off}",
            "tap: on, offloads: {guest_uso4: on, guest_uso6: on}",
            "tap: on, rx_queue_size: 256",
            "tap: on, rx_queue_size: 1024",
            "tap: on, mac: 00:1b:21:00:00:01",
            "tap: on, ifname: a12345678901234",
            "tap: on, ifname: my-vnet0",
            "tap: on, ifname: vne",
            f"tap: on, name: {'a' * 32}",
            "bridge: vnet0",
            "bridge: b}, {bridge: b",
        ),
    ),
    *map(
        hck,
        (
            "bridge: b, vhost: off, queues: 1, rsc_interval: 0",
            "tap: on, vhost: auto",
            "tap: on, offloads: {guest_tso4: off}",
        ),
    ),
    *map(
        machine,
        (
            "purpose: hck, nics: [{tap: on, vhost: on, queues: 4}]",
            "backend: libvirt, tpm: on, nics: [{macvtap: e}]",
            "backend: qemu, tpm: on, disks: [{image: a.vhdx}, {block: /dev/b, overlay: off, format: qcow2}]",
            "vcpus: 8, cpu: {sockets: 2, threads: 2}",
            "cpu: {}",
            "machine: pc-q35-8.2, firmware: uefi-secure-boot",
            "host: local, disks: [{image: a}]",
            "host: h, disks: [{image: /a}], firmware: {code: /c, vars: /v}",
            """cdroms: ["/a<b>&,'\\" \u00e9.iso", ../b, "/a,b", "/\\u200b"]""",
            "kernel: {image: k, cmdline: 'a=\"<&,>\" b'}",
        ),
    ),
    *(machine("", name) for name in ("a" * 63, "2022", "a..b", "memory")),
    machine("", "r-support") + dut_only(ROLES),
    two("ifname: t", "ifname: t", f"host: h, {ROLE}"),
    two("name: n", "name: n"),
    "state_dir: s\n" + machine(""),
    "hosts: {h: {address: 'fe80::1%eth0', identity: id}}",
    "hosts: {local: {bridges: {b: {}}, nics: {eno1: {}}, sudo: on}}",
    "hosts: {local: {nics: {e: {coalesce: {rx-usecs: 4294967295, adaptive-rx: off}}}}}",
    f"labs: {{r: {{topology: hlk-two-machine, {ROLES}, controller: {{{ROLE}}}, support: {{{ROLE}}}}}}}",
]


@pytest.mark.parametrize(("text", "path", "why"), [(text, *row) for text, row in REFUSED.items()], ids=IDS)
def test_it_is_refused_at_its_place_with_the_reason(text: str, path: str, why: str) -> None:
    assert path in {fault.path for fault in refused(text) if why in fault.message}


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_stands_beside_a_refusal_is_accepted(text: str) -> None:
    assert load(text).version == 1


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (nic("queues: 1"), NIC),
        (hck("tap: on, model: e1000e"), f"{NIC}.rsc"),
        (machine("nics: [{tap: on, name: net1}, {tap: on}]"), "machines.m.nics[1].name"),
        (machine("nics: [{tap: on, name: a b}, {tap: on, name: net0}]"), f"{NIC}.name"),
        (
            nic("tap: on, rsc: off, offloads: {guest_csum: maybe, guest_tso4: on}"),
            f"{NIC}.offloads.guest_csum",
        ),
    ],
)
def test_one_cause_is_one_fault(text: str, path: str) -> None:
    assert [fault.path for fault in refused(text)] == [path]

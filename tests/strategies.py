"""What hypothesis draws from: accepted lab files as plain data, and hostile values."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from provision.lab.load import parse_lab
from provision.lab.spec import Lab
from provision.tables.backends import BACKENDS
from provision.tables.offloads import BY_NAME, HCK, unmet
from provision.tables.profiles import wanted_offloads
from tests.written import Written

Draw = Callable[[st.SearchStrategy[Any]], Any]


def bounded(examples: int) -> settings:
    """The same examples in every run: a suite that fails once in a while is not believed.

    A profile says how many of a hundred.
    """
    return settings(
        max_examples=max(1, examples * settings().max_examples // 100),
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# Whatever quoting, XML, option syntax or a shell could trip over; `$` is never followed by `{`.
_TOKENS = (
    ",", ",,", ",format=raw", '"', "'", "<&>", "]]>", "<!--", "&amp;", "$(id)", "$HOME ", "`id`", " ", "  ",
    "=", ":", "\\", "\\n", ";", "|", "#", "%s", "{{ x }}", "{% raw %}", "*", "~", "-", "é", "日本", "😀", "\u00a0",
    "\u202e", "a\u0301", "/", "a", "b.qcow2", "x",
)  # fmt: skip
_ANY = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="$\ufffe\uffff"
)
hostile = st.lists(st.sampled_from(_TOKENS) | st.text(_ANY, max_size=3), max_size=6).map("".join)
_ENDS = st.sampled_from(["", ".qcow2", ".QCOW2", ".vmdk", ".vdi", ".vhdx", ".img", ".iso", ".raw,", " "])
absolute = st.builds("/srv/{}{}".format, hostile, _ENDS)
relative = st.builds("images/{}{}".format, hostile, _ENDS)
switch = st.sampled_from([True, False, "on", "off"])
_BRIDGES = ("br0", "br-lab", "b.r_1")
_HCK_BRIDGES = ("hck0", "h.c_k")


def _some(draw: Draw, keys: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Each key or not, for what may be left out."""
    return {key: draw(value) for key, value in keys.items() if draw(st.booleans())}


def _offloads(draw: Draw, profile: str, queues: int) -> dict[str, bool]:
    """Overrides that stand with the profile: what needs something that is off is said to be off, too."""
    names = [name for name in BY_NAME if name != HCK]
    said: dict[str, bool] = draw(st.dictionaries(st.sampled_from(names), st.booleans(), max_size=4))
    kept = {"guest_csum", "guest_tso4", "ctrl_vq", "ctrl_guest_offloads"} if profile == "hck" else set()
    kept |= {"ctrl_vq"} if queues > 1 else set()
    said = {name: on for name, on in said.items() if name not in kept}
    while True:
        on = frozenset(name for name, is_on in wanted_offloads(profile, said).items() if is_on)
        void = [name for name in on - {HCK} if unmet(BY_NAME[name], on)]
        if not void:
            return said
        said.update(dict.fromkeys(void, False))


def _virtio(draw: Draw, kind: str, machine: dict[str, Any]) -> dict[str, Any]:
    """Keys of a virtio NIC that go together, by what it is attached to and the machine that it is in."""
    profiles = ["false"] if kind == "user" else ["true", "true", "false"]
    if machine["purpose"] == "hck" and kind in ("bridge", "tap"):
        profiles += ["hck", "hck"]
    profile = draw(st.sampled_from(profiles))
    spelled = st.sampled_from({"true": [True, "on"], "false": [False, "off"]}.get(profile, ["hck"]))
    nic: dict[str, Any] = {"rsc": draw(spelled)} if profile != "true" or draw(st.booleans()) else {}
    if profile == "hck":
        nic |= _some(
            draw, {"rsc_interval": st.integers(0, 2**32 - 1), "vhost": st.sampled_from(["auto", "off"])}
        )
    elif kind != "user":
        no_vhost = machine["accel"] == "tcg" and machine["backend"] == "libvirt"
        vhost = ["auto", False] if no_vhost else ["auto", False, True, "on"]
        nic |= _some(draw, {"vhost": st.sampled_from(vhost), "queues": st.integers(1, 8)})
    if profile == "true" and BACKENDS[kind].tap:
        nic |= _some(draw, {"mangleid": switch})
    nic |= _some(draw, {"rx_queue_size": st.sampled_from([256, 512, 1024])})
    if offloads := _offloads(draw, profile, nic.get("queues", 1)):
        nic["offloads"] = offloads
    return nic


def _nic(draw: Draw, machine: dict[str, Any], at: tuple[int, int]) -> dict[str, Any]:
    kinds = ["bridge", "bridge", "tap", "user"] + (
        ["macvtap", "network"] if machine["backend"] == "libvirt" else []
    )
    kind = draw(st.sampled_from(kinds))
    if draw(st.integers(0, 3)):
        nic = _virtio(draw, kind, machine) | _some(draw, {"model": st.just("virtio")})
    else:
        nic = {"model": "e1000e"} | _some(draw, {"rsc": st.sampled_from([False, "off"])})
    apart = ("hck",) if nic.get("rsc") == "hck" else ("hck", "production")
    bridges = {"production": _BRIDGES, "hck": _HCK_BRIDGES}
    allowed = [
        bridge
        for purpose in apart
        if purpose in ("production", machine["purpose"])
        for bridge in bridges[purpose]
    ]
    source = {
        "bridge": st.sampled_from(allowed),
        "macvtap": st.sampled_from(["eno1", "enp3s0.7", "a\\b-c_d"]),
        "network": st.sampled_from(["default", "a b", "n<&>'\",é"]),
    }
    nic[kind] = draw(source.get(kind, st.sampled_from([True, "on"])))
    if kind == "bridge" and nic.get("rsc") != "hck":
        nic |= _some(draw, {"vlan": st.integers(1, 4094)})
    ours = f"{at[0]}{at[1]}"
    pair = st.integers(0, 255).map("{:02x}".format)
    mac = st.builds("52:54:{}:{}:{:02x}:{:02X}".format, pair, pair, st.just(at[0]), st.just(at[1]))
    nic |= _some(
        draw, {"name": st.sampled_from(["a_", "-x", "7", "UP"]).map(lambda word: word + ours), "mac": mac}
    )
    if kind != "user":
        names = st.sampled_from(["t", "_", "-q.", "TAP_is_long-"]).map(lambda word: word + ours)
        nic |= _some(draw, {"ifname": names, "mtu": st.integers(68, 65521)})
    return nic


def _disk(path: st.SearchStrategy[str], backend: str) -> st.SearchStrategy[dict[str, Any]]:
    """An image or a block device; of vhdx, which libvirt does not know, for bare QEMU alone."""
    formats = ["qcow2", "qed", "raw", "vdi", "vmdk"]
    image = path
    if backend == "qemu":
        formats.append("vhdx")
    else:
        image = path.filter(lambda text: not text.endswith(".vhdx"))
    how = {"bus": st.sampled_from(["virtio", "sata", "scsi"]), "format": st.sampled_from(formats)}
    return st.fixed_dictionaries(
        {"image": image}, optional={"overlay": switch, **how}
    ) | st.fixed_dictionaries({"block": path}, optional={"overlay": st.just("off"), **how})


def _keys(draw: Draw, path: st.SearchStrategy[str], backend: str) -> dict[str, Any]:
    """What any machine has, be it one of a lab's or of its own."""
    kernel = st.fixed_dictionaries({"image": path}, optional={"initrd": path, "cmdline": hostile})
    machines = ["q35", "pc-q35-7.2"]
    files = st.fixed_dictionaries({"code": path, "vars": path})
    person = {"address": st.sampled_from(["10.9.0.2", "fe80::1%br0", "h.example"]), "user": hostile}
    ask = (
        st.just("agent")
        | st.fixed_dictionaries({"ssh": st.fixed_dictionaries(person, optional={"identity": path})})
        | st.fixed_dictionaries({"winrm": st.fixed_dictionaries({**person, "password_env": hostile})})
    )
    return (
        {
            "backend": backend,
            "guest": draw(st.sampled_from(["windows", "linux"])),
            "memory": draw(st.sampled_from(["1MiB", "1025KiB", "192MiB", "8GiB", "65535GiB"])),
            "accel": draw(st.sampled_from(["auto", "kvm", "tcg"])),
        }
        | _some(
            draw,
            {
                "vcpus": st.integers(1, 255),
                "machine": st.sampled_from(machines),
                "firmware": st.sampled_from(["uefi", "uefi-secure-boot", "bios"]) | files,
                "tpm": switch,
                "nested": switch,
                "disks": st.lists(
                    _disk(path, backend),
                    max_size=4,
                    unique_by=lambda disk: disk.get("image") or disk["block"],
                ),
                "cdroms": st.lists(path, max_size=8),
                "kernel": kernel,
                "ask": st.lists(ask, max_size=2),
            },
        )
        | (_processors(draw) if draw(st.booleans()) else {})
    )


def _processors(draw: Draw) -> dict[str, Any]:
    """How processors are laid out, and as many as that."""
    laid = _some(
        draw, {"sockets": st.integers(1, 5), "cores": st.integers(1, 8), "threads": st.integers(1, 5)}
    )
    more = 1 if "cores" in laid else draw(st.integers(1, 8))
    return {"cpu": laid, "vcpus": prod(laid.values()) * more}


def _machine(draw: Draw, index: int, most_nics: int) -> dict[str, Any]:
    machine = {"host": draw(st.sampled_from(["local", "hv1"]))}
    path = absolute if machine["host"] == "hv1" else absolute | relative
    machine |= _keys(draw, path, draw(st.sampled_from(["libvirt", "qemu"])))
    machine["purpose"] = draw(st.sampled_from(["production", "hck"]))
    machine["nics"] = [_nic(draw, machine, (index, at)) for at in range(draw(st.integers(0, most_nics)))]
    return machine


def _lab(draw: Draw) -> dict[str, Any]:
    topology = draw(st.sampled_from(["dut-only", "hlk-two-machine"]))
    roles = ["dut"] if topology == "dut-only" else ["controller", "dut", "support"]
    lab = {role: _keys(draw, absolute, draw(st.sampled_from(["libvirt", "qemu"]))) for role in roles}
    more = {"host": st.sampled_from(["local", "hv1"]), "test": st.sampled_from(["rsc", "none"])}
    return {"topology": topology, **lab, **_some(draw, more)}


_HOST_NIC = {
    "features": st.dictionaries(hostile, switch, max_size=2),
    "coalesce": st.dictionaries(hostile, switch | st.integers(0, 2**32 - 1), max_size=2),
}


@st.composite
def lab_files(draw: Draw, *, most_nics: int = 3, most_labs: int = 1, least_labs: int = 0) -> dict[str, Any]:
    """Lab files that are accepted, as plain data."""
    host = st.fixed_dictionaries({"address": st.sampled_from(["hv1.example.org", "::1", "10.0.0.1"])}, optional={
        "port": st.integers(1, 65535), "user": hostile, "identity": absolute | relative, "sudo": switch,
        "libvirt": hostile, "nics": st.dictionaries(st.sampled_from(["eno1", "e,o'2"]),
                                                    st.fixed_dictionaries({}, optional=_HOST_NIC), max_size=2),
    })  # fmt: skip
    bridge = st.fixed_dictionaries(
        {},
        optional={"address": st.sampled_from(["10.9.0.1/24", "fd00::1/64"]), "mtu": st.integers(68, 65521)},
    )
    bridges = st.dictionaries(st.sampled_from((*_BRIDGES, *_HCK_BRIDGES)), bridge, max_size=2)
    names = draw(
        st.lists(st.sampled_from(["vm", "vnet0", "a.b_c-d", "X" * 63, "0"]), max_size=3, unique=True)
    )
    data: dict[str, Any] = {
        "version": 1,
        "hosts": {"local": {"bridges": draw(bridges)}, "hv1": draw(host)},
        "machines": {name: _machine(draw, index, most_nics) for index, name in enumerate(names)},
        "labs": {f"L{at}": _lab(draw) for at in range(draw(st.integers(least_labs, most_labs)))},
    } | _some(draw, {"state_dir": absolute})
    roles = (role for lab in data["labs"].values() for role in lab.values() if isinstance(role, dict))
    for machine in (*data["machines"].values(), *roles):
        if "," in data.get("state_dir", ""):  # swtpm takes no path with a comma
            machine.pop("tpm", None)
    return data


def loaded(data: Any) -> Lab:
    """The lab that plain data is read as, through its text."""
    return parse_lab(Written(data).text, "lab.yaml", "/srv/labs", {})


def said(data: Any, name: str) -> Any:
    """What a lab file says of a machine, be it one of its own or of a lab's."""
    if name in data["machines"]:
        return data["machines"][name]
    lab, _, role = name.rpartition("-")
    return {"host": data["labs"][lab].get("host", "local"), **data["labs"][lab][role]}

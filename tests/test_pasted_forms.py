"""The forms in which people paste `ethtool -k`: each device gets its own lines, or is unknown and said why."""

from __future__ import annotations

import pytest

from provision.runtime.errors import RequestError
from provision.verify.collect.pasted import pasted
from tests.builders import FIXTURES
from tests.pastes import NIC, OFF, ON, TAP, dark, off, on, passed, told, verdicts

FORMS = FIXTURES / "pasted"


PASTED = {
    "log-prefix": ([off("tap3")], ""),
    "bullets": ([dark("unnamed")], "it is not named, and rx-checksumming and highdma"),
    "one-line": ([off("tap104i0")], ""),
    "loop-heads": ([off("tap100i0"), dark("vmbr0")], "vmbr0 is no TAP (highdma is on)"),
    "html": ([off("tap104i0")], ""),
    "nic-tso-off": ([dark("eno1")], "`ethtool -K` switched GRO off on eno1"),
    "loop-order": ([on("tap100i0"), on("tap101i0"), dark("eno1")], "whether eno1 is a TAP cannot be told"),
    "old-form": ([("vnet0", "not-ready", "fail unknown")], "this old form of `ethtool -k` tells of IPv4 alone"),
    "ansible": ([off("vnet7")], ""),
    "change-refused": ([dark("tap104i0")], "the host asked for tx-tcp-segmentation, tx-tcp6-segmentation and did not"),
    "unnamed": ([off("unnamed")], ""),
    "nic-gro-off": ([dark("eno1")], "generic-receive-offload is off on eno1"),
    "watch": ([dark("vnet5")], "`ethtool -K vnet5 tx off`"),
    "head-tail": ([off("tap1"), on("tap2")], ""),
    "note": ([off("tap104i0")], ""),
    "diff": ([dark("vnet3")], ""),
    "kubectl": ([on("tap0"), dark("k6t-eth0")], ""),
    "twice": ([on("tap104i0"), off("tap104i0 (2)")], ""),
    "no-break-spaces": ([off("tap104i0")], ""),
    "bold": ([dark("vmbr0"), on("tap100i0")], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", PASTED)
def test_what_people_have_pasted_is_told_by_device(name: str) -> None:
    expected, note = PASTED[name]
    text = (FORMS / f"{name}.txt").read_text()

    assert told(text) == told(text.replace("\n", "\r\n")) == expected
    assert note in " ".join(note for each in verdicts(text) for note in each.notes)


def test_every_pasted_form_has_a_case() -> None:
    assert {path.stem for path in FORMS.iterdir()} == set(PASTED)


@pytest.mark.parametrize("name", ["nic-tso-off", "nic-gro-off", "loop-order"])
def test_nothing_that_a_nic_has_off_is_told_to_be_switched_on(name: str) -> None:
    nic = next(each for each in verdicts((FORMS / f"{name}.txt").read_text()) if each.evidence.nic == "eno1")

    assert not nic.fix
    assert not any("tso on" in note or "gro on" in note for note in nic.notes)


SHELLS = {
    "the loop's order": (f"# for i in tap0 tap1; do ethtool -k $i | grep tcp; done\n{OFF}{ON}", [off("tap0"), on("tap1")]),
    "a loop of one": (f"# for i in tap0; do ethtool -k ${{i}} | grep tcp; done\n{OFF}", [off("tap0")]),
    "a loop over lines": (f'# for d in tap0 tap1\n> do\n> ethtool -k "$d" | grep tcp\n> done\n{OFF}{ON}', [off("tap0"), on("tap1")]),
    "a loop that lost one": (f"# for i in tap0 tap1 eno1; do ethtool -k $i | grep tcp; done\n{ON}{OFF}", [dark("unnamed"), dark("unnamed (2)")]),
    "a loop whose lines differ": (f"# for i in tap0 eno1; do ethtool -k $i | grep tcp; done\n{ON}{OFF[28:]}", [dark("unnamed")]),
    "a loop over what was not pasted": (f"# for i in $(ls /sys/class/net | grep tap); do ethtool -k $i | grep tcp; done\n{OFF}{ON}", [dark("unnamed"), dark("unnamed (2)")]),
    "the same, with lines that tell a TAP": (f"# ls /sys/class/net | xargs -n1 ethtool -k | grep x\n{TAP}{NIC}", [off("unnamed"), dark("unnamed (2)")]),
    "the same, with heads": (f"# for i in `ls /sys/class/net`; do echo $i; ethtool -k $i | grep tcp; done\ntap3\n{OFF}eno1\n{OFF}", [off("tap3"), dark("eno1")]),
    "xargs": (f"# echo tap0 eno1 | xargs -n1 -I{{}} ethtool -k {{}} | grep tcp\n{ON}{OFF}", [dark("unnamed"), dark("unnamed (2)")]),
    "names on each line": ('# for i in tap0 eno1; do echo -n "$i "; ethtool -k $i | grep tcp-seg; done\n'
                           + "".join(f"{d} {line.strip()}\n" for d, t in (("tap0", ON), ("eno1", OFF)) for line in t.splitlines()), [on("tap0"), dark("eno1")]),
    "heads": (f'# for i in tap0 fwbr0 eno1; do echo "--- device $i ---"; ethtool -k $i | grep tcp; done\n--- device eno1 ---\n{OFF}--- device tap0 ---\n{ON}', [dark("eno1"), on("tap0")]),
    "heads without the command": (f"### tap0\n{ON}### eno1\n{OFF}[vnet2]\n{OFF}\ntap7:\n{ON}", [on("tap0"), dark("eno1"), off("vnet2"), on("tap7")]),
    "names below their lines": (f"# for i in tap0 eno1; do ethtool -k $i | grep tcp; echo $i; done\n{ON}tap0\n{OFF}eno1\n", [dark("unnamed")]),
    "names below their lines, without the command": (f"{ON}== tap0 ==\n{OFF}== eno1 ==\n", [dark("unnamed")]),
    "an error beside the lines": (f"# for i in tap0 eno1; do ethtool -k $i | grep tcp; done\nCannot get device feature names for tap0: No such device\n{OFF}", [dark("unnamed")]),
    "a short error beside the lines": (f"# for i in tap0 eno1; do ethtool -k $i | grep tcp; done\ntap0: no such device\n{OFF}", [dark("unnamed")]),
    "names in a list": (f"bridge name interfaces\nvmbr0 eno1\n  tap0\n  tap1\n\nand the uplink:\n{OFF}", [dark("unnamed")]),
    "names in a list, and lines": (f"# for i in $(ovs-vsctl list-ports br0); do ethtool -k $i; done\ntap0\ntap1\n{OFF}", [dark("unnamed")]),
    "a head that is no device's": (f"# ethtool -k tap0 | grep tcp\n{ON}=== the other one ===\n=== Uplink ===\n{OFF}", [on("tap0"), dark("unnamed")]),
    "a variable": (f"$ TAP=tap0\n$ sudo ethtool -k $TAP | grep tcp\n{OFF}", [off("tap0")]),
    "a variable that the shell fills": (f"$ i=tap0\n$ i=$(head -1 nics)\n$ ethtool -k $i | grep tcp\n{OFF}", [dark("unnamed")]),
    "a variable that is read": (f"$ i=tap0\n$ while read -r i; do ethtool -k $i | grep tcp; done <nics\n{OFF}", [dark("unnamed")]),
    "a part of a name": (f"$ ethtool -k tap$i | grep tcp\n{OFF}", [dark("unnamed")]),
    "a placeholder": (f"$ ethtool -k <tap>\n{OFF}", [dark("unnamed")]),
    "two calls in a line": (f"# ethtool -k tap0 | grep tcp; ethtool -k eno1 | grep tcp\n{ON}{OFF}", [on("tap0"), dark("eno1")]),
    "another prompt between": (f"# ethtool -k tap0 | grep tcp\n{ON}root@hv:~# ./show eno1\n{OFF}", [on("tap0"), dark("unnamed")]),
    "a full path, over ssh": (f"me@a:~$ ssh hv1 '/usr/sbin/ethtool -k vnet3 | grep tcp'\n{OFF}", [off("vnet3")]),
    "a fence below the call": (f"Output of `ethtool -k tap0 | grep tcp`:\n\n```\n{OFF}```\n", [off("tap0")]),
    "a fence below other words": (f"`ethtool -k tap0 | grep tcp`\n\nshows nothing, but on the uplink:\n\n```\n{OFF}```\n", [dark("unnamed")]),
    "a call in a sentence": (f"I looked at ethtool -k tap0 and then at the uplink:\n{OFF}", [dark("unnamed")]),
    "names of files": ("".join(f"ethtool_-k_{d}:{line}\n" for d, t in (("tap0", ON), ("eno1", OFF)) for line in t.splitlines()), [on("tap0"), dark("eno1")]),
    "line numbers": ("# ethtool -k vnet0 | grep -n tcp\n" + "".join(f"{n}:{line}\n" for n, line in enumerate(OFF.splitlines(), 9)), [off("vnet0")]),
    "virsh beside it": (f"# virsh domiflist vm\n Interface   Type     Source   Model    MAC\n{'-' * 60}\n vnet3       bridge   br0      virtio   52:54:00:00:00:01\n\n# ethtool -k vnet3 | grep tcp\n{OFF}", [off("vnet3")]),
    "journald": ("Nov 28 05:13:52 hv1 check[811]: Features for vnet3:\n" + "".join(f"Nov 28 05:13:5{n} hv1 check[811]: {line}\n" for n, line in enumerate(OFF.splitlines())), [off("vnet3")]),
    "a log of a program of that name": ("".join(f"Nov 28 05:13:52 hv1 ethtool-dump[8]: {line}\n" for line in f"Features for vnet3:\n{OFF}".splitlines()), [off("vnet3")]),
    "two calls, one of them of anything": (f"# ethtool -k tap0 | grep tcp; ethtool -k $x | grep tcp\n{ON}{OFF}", [dark("unnamed"), dark("unnamed (2)")]),
    "a word between": (f"# ethtool -k tap0 | grep tcp\nResult:\n{ON}", [on("tap0")]),
    "a string of JSON": ('"stdout": "Features for vnet7:\\n' + OFF.replace("\n", "\\n").replace("\t", "\\t") + '",\n', [off("vnet7")]),
    "bytes of Python": ("b'Features for vnet7:\\r\\n" + OFF.replace("\n", "\\r\\n").replace("\t", "\\t") + "'\n", [off("vnet7")]),
    "a recorded terminal": ("\x1b[?2004h\x1b]0;me@hv: ~\x07me@hv:~$ ethtool -k vnet7 | grep tcp\r\n\x1b[?2004l" + OFF.replace("off", "\x1b(B\x1b[moff"), [off("vnet7")]),
    "hyphens of a word processor": ("\ufeffFeatures for vnet7:\n" + OFF.replace("tx-", "tx\u2011").replace("off", "off\u200b"), [off("vnet7")]),
    "a table of a page": ("".join(f"<tr><td>{line}</td></tr>" for line in f"Features for vnet7:\n{OFF}".splitlines()), [off("vnet7")]),
    "escaped quotes": ("&gt; &gt; Features for vnet7:\n" + "".join(f"&gt; &gt; {line}\n" for line in OFF.splitlines()), [off("vnet7")]),
    "a sentence beside the lines": (f"Features for tap0:\n{ON}and in the guest tx-tcp-segmentation: off\n", [on("tap0")]),
    "lines that contradict each other": (f"Features for tap0:\n{ON}{OFF}", [dark("tap0")]),
    "a feature's name in a pattern": (f"# ethtool -k tap0 | grep -e 'tx-tcp-segmentation: off' -e tcp -e generic\n{ON}", [on("tap0")]),
    "a line that is broken": (f"Features for tap0:\n{ON.replace('segmentation: on', 'segmentation: off [requested', 1)}", [("tap0", "unknown", "unknown pass")]),
    "notes that are cut away": ("Features for uplink:\n" + TAP.replace(" [fixed]", ""), [dark("uplink")]),
    "the groups alone": ("# ethtool -k tap0 | grep -E '^t'\ntx-checksumming: on\ntcp-segmentation-offload: off\n", [off("tap0")]),
    "a group that is on": ("# ethtool -k tap0 | grep -E '^t'\ntx-checksumming: on\ntcp-segmentation-offload: on\n", [dark("tap0")]),
    "the groups of a NIC": ("# ethtool -k eno1 | grep -E '^t'\ntx-checksumming: on\ntcp-segmentation-offload: off\n", [dark("eno1")]),
    "TSO, which needs checksum": ("# ethtool -k tap0 | grep tx-tcp\ntx-tcp-segmentation: on\ntx-tcp6-segmentation: off\n", [("tap0", "not-ready", "pass fail")]),
    "one family": (f"# ethtool -k tap0 | grep -e ip-gen -e tcp-\n{OFF[:54]}", [("tap0", "not-ready", "fail unknown")]),
    "a change, and its answer": (f"# ethtool -k tap0 | grep tcp\n{OFF}# ethtool -K tap0 tso on\nActual changes:\ntx-tcp-segmentation: on\ntx-tcp6-segmentation: on\n", [off("tap0"), on("tap0 (2)")]),
    "a change, and how it is then": (f"# ethtool -K tap0 tso on\nActual changes:\ntx-tcp-segmentation: on\n# ethtool -k tap0 | grep tcp\n{ON}", [on("tap0")]),
}  # fmt: skip


@pytest.mark.parametrize("how", SHELLS)
def test_lines_are_those_of_the_device_that_the_shell_was_told(how: str) -> None:
    text, expected = SHELLS[how]

    assert told(text) == expected


@pytest.mark.parametrize(
    "device", ["eno1", "eno1.100", "bond0", "vmbr0", "tapbr0", "enp3s0f1", "uplink", "vnet1.7", "eth0"]
)
def test_grepped_lines_of_what_has_no_taps_name_are_never_a_taps(device: str) -> None:
    [verdict] = verdicts(f"# ethtool -k {device} | grep -E 'ip-generic|tcp'\n{OFF}")

    assert (verdict.verdict, passed(verdict), verdict.fix) == ("unknown", "unknown unknown", ())
    assert f"paste all of `ethtool -k {device}`" in verdict.notes[0]


@pytest.mark.parametrize(
    "device", ["vnet0", "tap0", "tap100i0", "tap1a2b3c4d-5e", "tap0f1e2d3c4b5", "0a1b2c3d-win"]
)
def test_grepped_lines_of_a_taps_name_are_a_taps(device: str) -> None:
    assert told(f"# ethtool -k {device} | grep -E 'ip-generic|tcp'\n{OFF}") == [off(device)]


@pytest.mark.parametrize(
    ("line", "why"),
    [("highdma: on", "highdma is on"), ("highdma: off [requested on]\nlarge-receive-offload: off [fixed]", "highdma can be switched"),
     ("rx-checksumming: off\nlarge-receive-offload: off [fixed]", "rx-checksumming can be switched")],
)  # fmt: skip
def test_a_name_counts_for_nothing_where_a_line_tells(line: str, why: str) -> None:
    [verdict] = verdicts(f"Features for tap0:\n{line}\n{OFF}")

    assert verdict.verdict == "unknown"
    assert f"tap0 is no TAP ({why})" in verdict.notes[0]


def test_what_is_no_tap_is_told_first() -> None:
    [verdict] = verdicts((FORMS / "nic-gro-off.txt").read_text())

    assert verdict.finding.seen == "whether eno1 is a TAP cannot be told"


def test_which_devices_it_may_be_is_said() -> None:
    [first, _] = verdicts(SHELLS["a loop that lost one"][0])

    assert "of tap0, tap1, eno1, which are 3 devices, the lines of 2 are there" in " ".join(first.notes)


def test_a_device_without_a_name_has_none_in_the_fix() -> None:
    [verdict] = verdicts((FORMS / "unnamed.txt").read_text())

    assert verdict.evidence.tap is None
    assert verdict.fix[0].startswith("`ethtool -K TAP tx on")


@pytest.mark.parametrize("change", ["gro off\n# ethtool -K eno1 gro on", "tso off gso off"])
def test_gro_that_nobody_left_off_is_no_note(change: str) -> None:
    text = f"# ethtool -K eno1 {change}\n# ethtool -k eno1 | grep tcp\n{OFF}"

    assert not any("GRO off on" in note for each in verdicts(text) for note in each.notes)


@pytest.mark.parametrize(
    "text",
    ["agent: on\nfirewall: off\n", "Private flags for eno1:\nlegacy-rx: off\n", "tx-checksumming: on/off?\n",
     "nmcli: ethtool.generic-receive-offload: on\n", "ethtool -k tap0\n", "== tap0 ==\n", "Actual changes:\n"],
)  # fmt: skip
def test_what_only_looks_like_it_is_nothing(text: str) -> None:
    with pytest.raises(RequestError, match="nothing in x"):
        pasted({"x": text})

"""What is run in guests: it parses, knows nothing that PowerShell 3.0 does not, and a value in it stays a value."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Node

from provision.facts.guest_change import GuestChange
from provision.facts.hck_leftovers import DRIVERS
from provision.render.functest import functest_files
from provision.render.guest_scripts import (
    GUEST_SCRIPTS,
    KEYWORDS,
    enable_rsc,
    remove_hck_leftovers,
    restoring,
    set_keyword,
    stop_forwarding,
)
from provision.runtime.guest_words import _BOOTSTRAP
from provision.runtime.powershell import literal, pattern
from provision.verbs.hck.cleanup import _PATIENCE
from tests.cmdlets import ALIASES, CMDLETS, SERVER_2012
from tests.labs import hlk
from tests.powershell_trees import commands, faults, functions, nodes, parsed, words

SCRIPTS = {name: row.example() for name, row in GUEST_SCRIPTS.items()}
POWERSHELL = {name: script.text for name, script in SCRIPTS.items() if script.shell == "powershell"} | {
    "bootstrap": _BOOTSTRAP,
    **{path: text for path, text in functest_files(hlk(), "rsc-dut").items() if path.endswith(".ps1")},
}

# Type names that PowerShell 3.0 knows without a `using`, and .NET 4.0 or 4.5, which Server 2012 has, has in it.
TYPES = {
    "ordered", "scriptblock", "string", "bool", "int", "char", "void", "regex", "environment", "convert", "text.encoding",
    "io.file", "diagnostics.fileversioninfo", "diagnostics.process", "runtime.interopservices.marshal",
    "management.automation.errorrecord", "net.ipaddress", "diagnostics.stopwatch",
}  # fmt: skip

HOSTILE = [
    "'; Stop-Computer; '",
    "\u2019; Stop-Computer; \u2018",
    "\u201a\u201b; Stop-Computer",
    "$(Stop-Computer)",
    '"; Stop-Computer; "',
    "`'; Stop-Computer",
    "a\n'@\nStop-Computer\n@'\n",
    "@'\nx\n'@",
    "\r\nStop-Computer\r\n",
    "]] > } ) Stop-Computer",
    "# comment",
    "<# comment #>",
    "{{ 7 * 7 }}",
    "\x1b[31m",
    "a\0; Stop-Computer",
    "é\U0001f600\u2028",
]


@pytest.mark.parametrize("text", POWERSHELL.values(), ids=POWERSHELL)
def test_a_script_is_powershell(text: str) -> None:
    assert faults(parsed(text)) == []


@pytest.mark.parametrize("text", POWERSHELL.values(), ids=POWERSHELL)
def test_a_script_is_plain_ascii_and_no_longer_than_can_be_read(text: str) -> None:
    assert text.isascii()
    assert len(text) < 16_000
    assert max(map(len, text.splitlines())) < 400 or text == _BOOTSTRAP


@pytest.mark.parametrize(
    "newer",
    [
        "class A { }",
        "$a = [Text.StringBuilder]::new()",
        "$a = $b ? 1 : 2",
        "Get-Item a && Get-Item b",
        "Get-Item a || Get-Item b",
        "$a ?? 1",
        "$a ??= 1",
        "using namespace System.Text",
        "enum A { B }",
        "Get-Error",
        "Get-NetAdapterRsc -Name x",
        "%  { $_ }",
        "[Some.Other]::Thing()",
        "Get-NetNat",
    ],
)
def test_what_powershell_3_lacks_would_be_found(newer: str) -> None:
    assert too_new(parsed(f"Get-CimInstance -ClassName Win32_Foo\n{newer}\n"))


@pytest.mark.parametrize("text", POWERSHELL.values(), ids=POWERSHELL)
def test_a_script_runs_on_powershell_3_of_server_2012(text: str) -> None:
    assert too_new(parsed(text)) == []


def too_new(tree: Node) -> list[str]:
    """What Windows PowerShell 3.0 on Server 2012 lacks, and what hides what is called."""
    found = faults(tree)
    found += [words(each) for each in nodes(tree, "class_statement", "enum_statement", "using_statement")]
    found += [f"{each.type}" for each in nodes(tree, "??", "??=", "&&", "||", "ternary_expression", "?.")]
    found += [words(each) for each in nodes(tree, "type_identifier") if _type(each).lower() not in TYPES]
    found += [words(each) for each in nodes(tree, "invokation_expression") if "::new(" in words(each).lower()]
    own = functions(tree)
    found += [name for name in own if name.lower() in ALIASES or name in CMDLETS]
    for name, parameters in commands(tree):
        cmdlet = CMDLETS.get(name)
        if cmdlet is None:
            found += [] if name in own or name == "" else [name]
            continue
        found += [f"{name} {each}" for each in parameters if each not in cmdlet.parameters]
        if (cmdlet.since > SERVER_2012 or not cmdlet.always) and f"Get-Command -Name {name} " not in words(
            tree
        ):
            found.append(f"{name}, unasked for")
    return found


def _type(node: Node) -> str:
    above: Node | None = node
    while above is not None and above.type != "type_spec":
        above = above.parent
    return words(above) if above is not None else words(node)


@pytest.mark.parametrize("text", POWERSHELL.values(), ids=POWERSHELL)
def test_nothing_that_a_machine_says_becomes_code(text: str) -> None:
    calls = {words(each).partition("(")[0] for each in nodes(parsed(text), "invokation_expression")}

    assert not {name for name, _ in commands(parsed(text))} & {
        "Invoke-Expression",
        "Invoke-Command",
        "Add-Type",
        "Start-Process",
    }
    assert [call for call in calls if "ScriptBlock" in call] == (["[ScriptBlock]::Create"] if text == _BOOTSTRAP else [])  # fmt: skip


@pytest.mark.parametrize("script", ["rsc", "hck-leftovers"])
def test_asking_changes_nothing(script: str) -> None:
    named = {name for name, _ in commands(parsed(POWERSHELL[script])) if "-" in name}

    assert {name.partition("-")[0] for name in named} <= {
        "Get", "New", "Where", "ForEach", "Join", "Test", "ConvertTo",
    }  # fmt: skip


def test_both_scripts_for_what_hlk_leaves_look_for_the_same_in_the_same_way() -> None:
    asks, removes = POWERSHELL["hck-leftovers"], POWERSHELL["hck-cleanup"]

    assert functions(parsed(asks)) < functions(parsed(removes))
    for driver in DRIVERS:
        assert literal(driver) in asks


def test_nothing_is_removed_in_a_guest_but_what_is_named_or_all_by_hand() -> None:
    named = remove_hck_leftovers(["package oem12.inf", "file coalesce.sys"]).text

    assert "$named = @('package oem12.inf', 'file coalesce.sys')" in named
    assert "$named = @()" in remove_hck_leftovers([]).text
    assert "$named" not in POWERSHELL["hck-cleanup"]
    for text in (named, POWERSHELL["hck-cleanup"]):
        removing = [
            each for each in nodes(parsed(text), "function_statement") if "function Remove" in words(each)
        ]
        assert len(removing) == 4
        assert all("Meant '" in words(each) for each in removing)


def test_a_driver_stays_as_long_as_it_is_installed_as_a_network_component_or_nobody_knows() -> None:
    tree = parsed(POWERSHELL["hck-cleanup"])
    [guarded] = [
        each
        for each in nodes(tree, "if_statement")
        if "RemovePackages" in words(each) and "RemoveFiles" in words(each)
    ]
    calls = [name for name, _ in commands(tree) if name.startswith("Remove") and name not in CMDLETS]

    condition = words(guarded).partition("{")[0]
    assert "-not $now.components.Count -and -not $failed.ContainsKey('Control\\Network')" in condition
    assert {name for name, _ in commands(guarded)} >= {"RemovePackages", "RemoveServices", "RemoveFiles"}
    assert sorted(calls) == ["RemoveComponents", "RemoveFiles", "RemovePackages", "RemoveServices"]


def test_nothing_is_killed_that_takes_a_filter_out_and_all_of_it_ends_before_the_agent_ends_it() -> None:
    text = POWERSHELL["hck-cleanup"]
    [begun] = map(int, re.findall(r"TotalSeconds -ge ([0-9]+)", text))
    [waited] = map(int, re.findall(r"WaitForExit\(([0-9]+)\)", text))

    assert "Kill" not in text
    assert waited >= 180_000
    assert begun + waited / 1000 + 60 <= _PATIENCE
    assert "0, 3010, 0x4A020 -notcontains $running.ExitCode" in text  # netcfgx.h: NETCFG_S_REBOOT


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_each_keyword_is_asked_for(keyword: str) -> None:
    assert literal(keyword) in POWERSHELL["rsc"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_stays_one_literal_whatever_is_in_it(value: str) -> None:
    for text in (
        set_keyword(value, value, value).text,
        enable_rsc(value, ("ipv4",)).text,
        stop_forwarding(value, ("ipv6",)).text,
        remove_hck_leftovers([value, value]).text,
    ):
        tree = parsed(text)
        assert faults(tree) == []
        assert "Stop-Computer" not in {name for name, _ in commands(tree)}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_one_literal_and_no_more(value: str) -> None:
    tree = parsed(f"$a = {literal(value)}\n$b = 1\n")

    found = [words(each) for each in nodes(tree, "verbatim_string_characters")]
    assert faults(tree) == []
    assert found == [literal(value)]
    assert len(list(nodes(tree, "assignment_expression"))) == 2


def test_a_name_for_a_cmdlet_matches_itself_alone() -> None:
    assert pattern("Ethernet [2]*?`'") == "'Ethernet `[2`]`*`?``'''"


@pytest.mark.parametrize(
    ("change", "commands"),
    [
        (
            GuestChange("rsc", "Ethernet 2", {"IPv4": "False", "IPv6": "True"}, {"IPv4": "True", "IPv6": "True"}),
            ["Disable-NetAdapterRsc -Name 'Ethernet 2' -IPv4"],
        ),
        (
            GuestChange("global", "", {"ReceiveSegmentCoalescing": "Disabled"}, {"ReceiveSegmentCoalescing": "Enabled"}),
            ["Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing 'Disabled'"],
        ),
        (
            GuestChange("keyword", "it's", {"*RscIPv4": "0"}, {"*RscIPv4": "1"}),
            ["Set-NetAdapterAdvancedProperty -Name 'it''s' -RegistryKeyword '`*RscIPv4' -RegistryValue '0'"],
        ),
        (
            GuestChange("forwarding", "e", {"IPv4": "Enabled", "IPv6": "Enabled"}, {"IPv4": "Disabled", "IPv6": "Disabled"}),
            [
                "Set-NetIPInterface -InterfaceAlias 'e' -AddressFamily 'IPv4' -Forwarding 'Enabled'",
                "Set-NetIPInterface -InterfaceAlias 'e' -AddressFamily 'IPv6' -Forwarding 'Enabled'",
            ],
        ),
        (GuestChange("rsc", "e", {"IPv4": "True"}, {"IPv4": "True"}), []),
        (GuestChange("rsc", "e", {"IPv4": "False"}, {}), ["Disable-NetAdapterRsc -Name 'e' -IPv4"]),
        (GuestChange("linux", "a b", {"rx-gro-hw": "off"}, {"rx-gro-hw": "on"}), ["ethtool -K 'a b' rx-gro-hw off"]),
    ],
)  # fmt: skip
def test_what_was_changed_can_be_taken_back(change: GuestChange, commands: list[str]) -> None:
    assert restoring(change) == commands


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("kind", ["rsc", "global", "keyword", "forwarding"])
def test_what_a_guest_says_becomes_no_command_of_ours(kind: str, value: str) -> None:
    old, new = {value: value, "IPv4": value}, {value: "x", "IPv4": "x"}

    for command in restoring(GuestChange(kind, value, old, new)):  # type: ignore[arg-type]
        tree = parsed(command)
        assert faults(tree) == []
        assert len(list(commands(tree))) == 1


def test_the_script_for_linux_is_clean_and_changes_nothing() -> None:
    text = SCRIPTS["linux"].text
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "-"], input=text, capture_output=True, text=True, check=False
    )

    assert done.stdout == ""
    assert not re.search(r"ethtool (-[A-JL-OQ-Zac-jl-z]|-K|--(?!json -k|version))", text)
    assert set(re.findall(r"[0-9]?>[\w/&]+", text)) == {"2>/dev/null", "2>&1"}

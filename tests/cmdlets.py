"""What our scripts may call in a Windows guest: each cmdlet with its module, and since when Windows has it.

By Microsoft's reference as of 2026-04-25 (MicrosoftDocs/windows-powershell-docs: its folders winserver2012-ps, of an older
commit, winserver2012r2-ps and winserver2016-ps; MicrosoftDocs/PowerShell-Docs for the modules of PowerShell itself). The
parameters are those that all of these versions have, as far as we use them.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVER_2012 = (6, 2)
SERVER_2012_R2 = (6, 3)


@dataclass(frozen=True, slots=True)
class Cmdlet:
    module: str
    since: tuple[int, int]
    parameters: tuple[str, ...] = ()
    always: bool = True
    """Whether every Windows of that version has it; one that is not is asked for by Get-Command first."""


UTILITY, MANAGEMENT, CORE = (
    "Microsoft.PowerShell.Utility",
    "Microsoft.PowerShell.Management",
    "Microsoft.PowerShell.Core",
)

CMDLETS = {
    # PowerShell 1.0 and 2.0, here as of the 3.0 that Server 2012 comes with.
    "Get-Command": Cmdlet(CORE, SERVER_2012, ("-Name", "-ErrorAction")),
    "ForEach-Object": Cmdlet(CORE, SERVER_2012),
    "Where-Object": Cmdlet(CORE, SERVER_2012),
    "New-Object": Cmdlet(UTILITY, SERVER_2012),
    "Start-Sleep": Cmdlet(UTILITY, SERVER_2012, ("-Milliseconds",)),
    "Join-Path": Cmdlet(MANAGEMENT, SERVER_2012),
    "Test-Path": Cmdlet(MANAGEMENT, SERVER_2012, ("-LiteralPath",)),
    "Get-ItemProperty": Cmdlet(MANAGEMENT, SERVER_2012, ("-LiteralPath",)),
    "Get-ChildItem": Cmdlet(MANAGEMENT, SERVER_2012, ("-LiteralPath", "-Filter")),
    "Remove-Item": Cmdlet(MANAGEMENT, SERVER_2012, ("-LiteralPath", "-Force")),
    # PowerShell 3.0
    "ConvertTo-Json": Cmdlet(UTILITY, SERVER_2012, ("-InputObject", "-Depth", "-Compress")),
    "Get-CimInstance": Cmdlet("CimCmdlets", SERVER_2012, ("-ClassName", "-Namespace", "-Filter")),
    "Invoke-CimMethod": Cmdlet(
        "CimCmdlets",
        SERVER_2012,
        ("-InputObject", "-ClassName", "-MethodName", "-Arguments", "-OperationTimeoutSec"),
    ),
    # Server 2012
    "Get-NetAdapter": Cmdlet("NetAdapter", SERVER_2012, ("-Physical",)),
    "Get-NetAdapterRsc": Cmdlet("NetAdapter", SERVER_2012),
    "Enable-NetAdapterRsc": Cmdlet("NetAdapter", SERVER_2012, ("-InputObject", "-IPv4", "-IPv6", "-Confirm")),
    "Get-NetAdapterAdvancedProperty": Cmdlet("NetAdapter", SERVER_2012),
    "Set-NetAdapterAdvancedProperty": Cmdlet(
        "NetAdapter", SERVER_2012, ("-InputObject", "-RegistryValue", "-Confirm")
    ),
    "Get-NetAdapterBinding": Cmdlet("NetAdapter", SERVER_2012, ("-AllBindings",)),
    "Get-NetAdapterStatistics": Cmdlet("NetAdapter", SERVER_2012),
    "Disable-NetAdapterRsc": Cmdlet(
        "NetAdapter", SERVER_2012, ("-InputObject", "-IPv4", "-IPv6", "-Confirm")
    ),
    "Get-NetIPAddress": Cmdlet("NetTCPIP", SERVER_2012, ("-InterfaceIndex",)),
    "Get-NetIPInterface": Cmdlet("NetTCPIP", SERVER_2012, ("-InterfaceIndex", "-AddressFamily")),
    "Set-NetIPInterface": Cmdlet(
        "NetTCPIP", SERVER_2012, ("-InterfaceIndex", "-AddressFamily", "-Forwarding", "-Confirm")
    ),
    "Get-NetOffloadGlobalSetting": Cmdlet("NetTCPIP", SERVER_2012),
    "Set-NetOffloadGlobalSetting": Cmdlet("NetTCPIP", SERVER_2012, ("-ReceiveSegmentCoalescing", "-Confirm")),
    # Not everywhere
    "Get-NetLbfoTeamMember": Cmdlet("NetLbfo", SERVER_2012, always=False),
    "Get-VMSwitch": Cmdlet("Hyper-V", SERVER_2012, always=False),
    "Get-NetNat": Cmdlet("NetNat", SERVER_2012_R2, always=False),
}

ALIASES = frozenset(
    [
        "%",
        "?",
        "ac",
        "asnp",
        "cat",
        "cd",
        "chdir",
        "clc",
        "clear",
        "clhy",
        "cli",
        "clp",
        "cls",
        "clv",
        "cnsn",
        "compare",
        "copy",
        "cp",
        "cpi",
        "cpp",
        "curl",
        "cvpa",
        "dbp",
        "del",
        "diff",
        "dir",
        "dnsn",
        "ebp",
        "echo",
        "epal",
        "epcsv",
        "epsn",
        "erase",
        "etsn",
        "exsn",
        "fc",
        "fhx",
        "fl",
        "foreach",
        "ft",
        "fw",
        "gal",
        "gbp",
        "gc",
        "gci",
        "gcm",
        "gcs",
        "gdr",
        "ghy",
        "gi",
        "gjb",
        "gl",
        "gm",
        "gmo",
        "gp",
        "gps",
        "group",
        "gsn",
        "gsnp",
        "gsv",
        "gu",
        "gv",
        "gwmi",
        "h",
        "history",
        "icm",
        "iex",
        "ihy",
        "ii",
        "ipal",
        "ipcsv",
        "ipmo",
        "ipsn",
        "irm",
        "ise",
        "iwmi",
        "iwr",
        "kill",
        "lp",
        "ls",
        "man",
        "md",
        "measure",
        "mi",
        "mount",
        "move",
        "mp",
        "mv",
        "nal",
        "ndr",
        "ni",
        "nmo",
        "npssc",
        "nsn",
        "nv",
        "ogv",
        "oh",
        "popd",
        "ps",
        "pushd",
        "pwd",
        "r",
        "rbp",
        "rcjb",
        "rcsn",
        "rd",
        "rdr",
        "ren",
        "ri",
        "rjb",
        "rm",
        "rmdir",
        "rmo",
        "rni",
        "rnp",
        "rp",
        "rsn",
        "rsnp",
        "rujb",
        "rv",
        "rvpa",
        "rwmi",
        "sajb",
        "sal",
        "saps",
        "sasv",
        "sbp",
        "sc",
        "select",
        "set",
        "shcm",
        "si",
        "sl",
        "sleep",
        "sls",
        "sort",
        "sp",
        "spjb",
        "spps",
        "spsv",
        "start",
        "sujb",
        "sv",
        "swmi",
        "tee",
        "trcm",
        "type",
        "wget",
        "where",
        "wjb",
        "write",
    ]
)
"""Aliases of PowerShell 3.0 (about_Aliases, Get-Alias): one goes before a function of ours of that name."""

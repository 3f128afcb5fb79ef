# Cmdlets of modules look at the global preference alone.
$global:ErrorActionPreference = 'Stop'
$global:ProgressPreference = 'SilentlyContinue'

# The adapter under test, by the name that AutoHCK's drivers/NetKVM.json has.
function Adapter {
    $found = @(Get-NetAdapter | Where-Object { $_.InterfaceDescription -like 'Red Hat VirtIO Ethernet Adapter*' })
    if ($found.Count -ne 1) { throw "there are $($found.Count) NetKVM adapters, and not one" }
    $found[0]
}

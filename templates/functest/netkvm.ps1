# Cmdlets of modules look at the global preference alone.
$global:ErrorActionPreference = 'Stop'
$global:ProgressPreference = 'SilentlyContinue'

# The adapter under test, by the name that AutoHCK's drivers/NetKVM.json has.
function Adapter {
    $found = @(Get-NetAdapter | Where-Object { $_.InterfaceDescription -like 'Red Hat VirtIO Ethernet Adapter*' })
    if ($found.Count -ne 1) { throw "there are $($found.Count) NetKVM adapters, and not one" }
    $found[0]
}

# Its address of a family. Where nobody serves DHCP, Windows gives itself one of 169.254.0.0/16 after a while.
function Address($adapter, $family) {
    for ($tries = 0; $tries -lt 120; $tries += 1) {
        foreach ($each in @(Get-NetIPAddress)) {
            $own = $each.InterfaceIndex -eq $adapter.InterfaceIndex -and [string]$each.AddressFamily -eq $family
            $local = $family -eq 'IPv4' -or $each.IPAddress -like 'fe80:*'
            if ($own -and $local -and [string]$each.AddressState -eq 'Preferred') { return [string]$each.IPAddress }
        }
        Start-Sleep -Milliseconds 1000
    }
    throw "$($adapter.Name) has no $family address"
}

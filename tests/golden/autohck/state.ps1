# Passes when RSC is @rsc_wanted@ for both families. On: enabled and operational; off: not enabled.
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

$wanted = '@rsc_wanted@' -eq 'on'
# An adapter that restarts is gone for a moment, and operational a moment later.
for ($tries = 0; $tries -lt 120; $tries += 1) {
    try {
        $name = (Adapter).Name
        $row = Get-NetAdapterRsc | Where-Object { $_.Name -eq $name }
        $said = foreach ($family in 'IPv4', 'IPv6') {
            "$family enabled $($row."${family}Enabled"), operational $($row."${family}OperationalState"), $($row."${family}FailureReason")"
        }
        $seen = $said -join '; '
        $on = $row.IPv4Enabled -and $row.IPv6Enabled -and $row.IPv4OperationalState -and $row.IPv6OperationalState
        $off = $row -and -not ($row.IPv4Enabled -or $row.IPv6Enabled)
        $good = if ($wanted) { $on } else { $off }
        if ($good) { "PASS: RSC is @rsc_wanted@: $seen"; return }
    } catch { $seen = [string]$_ }
    Start-Sleep -Milliseconds 500
}
"FAIL: RSC is not @rsc_wanted@: $seen"

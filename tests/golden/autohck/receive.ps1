# Takes what send.ps1 sends, and passes when CoalescedWin of NetKVM's has grown by it with RSC on, and has not with RSC off.
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

function Coalesced($adapter) {
    $row = Get-CimInstance -Namespace root\wmi -ClassName NetKvm_Diag | Where-Object {
        $_.InstanceName -eq $adapter.InterfaceDescription
    }
    if (-not $row) { throw 'NetKVM tells nothing of itself by NetKvm_Diag: is it administrator who asks?' }
    $row.rx.CoalescedWin
}

$listener = $null
$client = $null
try {
    $adapter = Adapter
    $own = [Net.IPAddress]::Parse((Address $adapter '@rsc_family@'))
    $listener = New-Object Net.Sockets.TcpListener($own, 5201)
    $listener.Start()
    $before = Coalesced $adapter
    for ($tries = 0; -not $listener.Pending(); $tries += 1) {
        if ($tries -ge 900) { throw 'nobody has connected for 180 seconds' }
        Start-Sleep -Milliseconds 200
    }
    $client = $listener.AcceptTcpClient()
    $stream = $client.GetStream()
    $stream.ReadTimeout = 30000
    $buffer = New-Object byte[] 65536
    $bytes = 0
    while (($read = $stream.Read($buffer, 0, $buffer.Length)) -gt 0) { $bytes += $read }
    $after = Coalesced $adapter
    $seen = "@rsc_family@, $bytes bytes received, CoalescedWin went from $before to $after"
    if ($bytes -lt 1048576) { throw "too little to tell: $seen" }
    if (($after -gt $before) -ne ('@rsc_wanted@' -eq 'on')) { throw "RSC is @rsc_wanted@, and $seen" }
    "PASS: RSC is @rsc_wanted@: $seen"
} catch { "FAIL: $_" } finally {
    if ($client) { $client.Close() }
    if ($listener) { $listener.Stop() }
}

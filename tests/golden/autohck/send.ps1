# Sends to @rsc_address@ by TCP for ten seconds, from this client's NetKVM adapter.
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

$client = $null
try {
    $adapter = Adapter
    $own = [Net.IPAddress]::Parse((Address $adapter '@rsc_family@'))
    $to = [Net.IPAddress]::Parse('@rsc_address@')
    if ('@rsc_family@' -eq 'IPv6') { $to.ScopeId = $adapter.InterfaceIndex }
    for ($tries = 0; -not ($client -and $client.Connected); $tries += 1) {
        try {
            $client = New-Object Net.Sockets.TcpClient((New-Object Net.IPEndPoint($own, 0)))
            $client.Connect($to, 5201)
        } catch {
            if ($client) { $client.Close() }
            if ($tries -ge 60) { throw }
            Start-Sleep -Milliseconds 1000
        }
    }
    $stream = $client.GetStream()
    $stream.WriteTimeout = 30000
    $buffer = New-Object byte[] 65536
    $bytes = 0
    $watch = New-Object Diagnostics.Stopwatch
    $watch.Start()
    while ($watch.ElapsedMilliseconds -lt 10000) {
        $stream.Write($buffer, 0, $buffer.Length)
        $bytes += $buffer.Length
    }
    "PASS: $bytes bytes sent to @rsc_address@"
} catch { "FAIL: $_" } finally {
    if ($client) { $client.Close() }
}

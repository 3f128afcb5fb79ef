# What was started for `bench` in a Windows guest, now or before, has its port named twice; it is ended.
foreach ($each in @(Get-CimInstance -ClassName Win32_Process | Where-Object { ([string]$_.CommandLine) -match ' -s -p (\d+) -p \1\s*\z' })) {
    [void](Invoke-CimMethod -InputObject $each -MethodName Terminate)
}

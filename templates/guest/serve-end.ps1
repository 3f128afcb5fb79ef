# What was started for `bench` in a Windows guest, now or before, bears a mark at the end of its command line; it is ended.
$mark = ' --pidfile rscvm-bench.pid'
foreach ($each in @(Get-CimInstance -ClassName Win32_Process | Where-Object { ([string]$_.CommandLine).EndsWith($mark) })) {
    [void](Invoke-CimMethod -InputObject $each -MethodName Terminate)
}

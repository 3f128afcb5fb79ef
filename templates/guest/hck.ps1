# What HLK's "Run RSC Tests" installs, by the files (its list of them, and VirtHCK's guest_tools/RSC-cleanup.cmd).
$drivers = 'coalesce.sys', 'spartadrv.sys', 'netcapdrv6.sys'
# A 32-bit agent would be led to SysWOW64.
$own = if ([Environment]::Is64BitOperatingSystem -and -not [Environment]::Is64BitProcess) { 'Sysnative' } else { 'System32' }
$system = Join-Path $env:SystemRoot $own
$deleted = @{}

# Which of them a text names; an INF's comments aside.
function Named($text) {
    $text = $text -replace '(?m);.*$'
    $drivers | Where-Object { $text -match "(?<![\w.-])$([regex]::Escape($_))(?![\w.-])" }
}

# What an INF says under a key, for a reader; a %token% is looked up among its strings.
function Entry($text, $key) {
    foreach ($step in 1, 2) {
        if (-not ($text -match ('(?im)^[ \t]*' + [regex]::Escape($key) + '[ \t]*=(.*)$'))) { return '' }
        $said = ($Matches[1] -replace ';.*').Trim().Trim('"')
        if (-not ($said -match '^%(.+)%\z')) { break }
        $key = $Matches[1]
    }
    Short $said 80
}

function Packages {
    $folder = Join-Path $env:SystemRoot 'INF'
    foreach ($file in (First @(Get-ChildItem -LiteralPath $folder -Filter 'oem*.inf') 4000)) {
        if ($file.Name -notmatch '^oem[0-9]+\.inf\z') { continue }
        $text = Ask $file.Name {
            if ($file.Length -gt 4194304) { throw 'it has more than 4 MiB' }
            [IO.File]::ReadAllText($file.FullName)
        }
        $files = @(Named $text)
        if (-not $files.Count) { continue }
        [ordered]@{
            name = $file.Name.ToLowerInvariant()
            files = $files
            provider = Entry $text 'Provider'
            class = Entry $text 'Class'
            version = Entry $text 'DriverVer'
        }
    }
}

# The file of a driver's service; one that names none has that of its own name.
function DriverOf($service) {
    $file = ([string]$service.PathName) -replace '^.*\\'
    if ($file) { $file } else { "$($service.Name).sys" }
}

function Services {
    foreach ($row in @(Get-CimInstance -ClassName Win32_SystemDriver | Where-Object { $drivers -contains (DriverOf $_) })) {
        [ordered]@{
            name = Short $row.Name 120
            file = DriverOf $row
            state = Short $row.State 40
            restart = $deleted.ContainsKey([string]$row.Name)
        }
    }
}

# Clients, services and protocols of Windows' network configuration whose driver or INF it is; filters are services.
function Components($services, $infs) {
    foreach ($class in '{4d36e973-e325-11ce-bfc1-08002be10318}', '{4d36e974-e325-11ce-bfc1-08002be10318}', '{4d36e975-e325-11ce-bfc1-08002be10318}') {
        $root = "HKLM:\SYSTEM\CurrentControlSet\Control\Network\$class"
        if (-not (Test-Path -LiteralPath $root)) { continue }
        foreach ($key in (First @(Get-ChildItem -LiteralPath $root) 1000)) {
            $about = Get-ItemProperty -LiteralPath $key.PSPath
            $ndi = "$($key.PSPath)\Ndi"
            $service = if (Test-Path -LiteralPath $ndi) { [string](Get-ItemProperty -LiteralPath $ndi).Service } else { '' }
            if ($services -notcontains $service -and $infs -notcontains [string]$about.InfPath) { continue }
            [ordered]@{
                name = Short $about.ComponentId 120
                service = Short $service 120
                description = Short $about.Description 120
            }
        }
    }
}

# Windows notes what it deletes when it is restarted as pairs of a path and nothing.
function Files {
    $manager = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager'
    $noted = @((Get-ItemProperty -LiteralPath $manager).PendingFileRenameOperations)
    $ends = @(for ($at = 0; $at + 1 -lt $noted.Count; $at += 2) { if (-not $noted[$at + 1]) { $noted[$at] } })
    foreach ($driver in $drivers) {
        $path = Join-Path $system "drivers\$driver"
        if (-not (Test-Path -LiteralPath $path)) { continue }
        $about = [Diagnostics.FileVersionInfo]::GetVersionInfo($path)
        $parts = $about.FileMajorPart, $about.FileMinorPart, $about.FileBuildPart, $about.FilePrivatePart
        [ordered]@{
            name = $driver
            version = $parts -join '.'
            company = Short $about.CompanyName 80
            restart = @($ends -like "*\System32\drivers\$driver").Count -gt 0
        }
    }
}

function Leftovers {
    $packages = @(Ask 'INF' { Packages })
    $services = @(Ask 'Win32_SystemDriver' { Services })
    $by = @($drivers | ForEach-Object { $_ -replace '\.sys\z' }) + @($services | ForEach-Object { $_.name })
    $infs = @($packages | ForEach-Object { $_.name })
    [ordered]@{
        components = @(Ask 'Control\Network' { Components $by $infs })
        packages = $packages
        services = $services
        files = @(Ask 'drivers' { Files })
    }
}

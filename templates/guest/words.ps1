# What a cmdlet says before and after an error counts; cmdlets of modules look at the global preference alone.
$global:ErrorActionPreference = 'Continue'
$global:ProgressPreference = 'SilentlyContinue'
$troubles = New-Object System.Collections.ArrayList
$failed = @{}

function Short($value, $most = 200) {
    $text = [string]$value
    if ($text.Length -gt $most) { $text = $text.Substring(0, $most) }
    $text
}

function YesNo($value) {
    if ($null -eq $value) { $null } else { [bool]$value }
}

function First($rows, $most) {
    foreach ($row in $rows) {
        if ($most -le 0) { return }
        $most -= 1
        $row
    }
}

# The first error of each question, by what it is in every language, and in Windows' own words.
function Trouble($asked, $failure) {
    if ($failed.ContainsKey($asked) -or $troubles.Count -ge 32) { return }
    $failed[$asked] = $true
    $code = [Runtime.InteropServices.Marshal]::GetHRForException($failure.Exception)
    [void]$troubles.Add([ordered]@{
        asked = $asked
        type = Short ($failure.Exception.GetType().FullName) 100
        code = '0x{0:x8}' -f $code
        words = Short $failure.Exception.Message
    })
}

# What a question answers; one that fails is told among the troubles and ends nothing else.
function Ask($asked, [scriptblock]$question) {
    try {
        & $question 2>&1 | ForEach-Object {
            if ($_ -is [Management.Automation.ErrorRecord]) { Trouble $asked $_ } else { $_ }
        }
    } catch { Trouble $asked $_ }
}

# The same of one value: nothing is $null, which ConvertTo-Json of 5.1 makes of no other nothing.
function Value($asked, [scriptblock]$question) {
    $got = Ask $asked $question
    if ($null -eq $got) { $null } else { $got }
}

# One line in ASCII: ConvertTo-Json of 5.1 lets everything else stand as it is, and the code page would bend it.
function Say($said) {
    $json = ConvertTo-Json -InputObject $said -Depth 8 -Compress
    [regex]::Replace($json, '[^\x20-\x7e]', { param($found) '\u{0:x4}' -f [int][char]$found.Value })
}

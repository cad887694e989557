#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Runs the behaviour suite on OpenVPN's released driver, on this Windows machine.

.DESCRIPTION
Installs OpenVPN's MSI where one is given, adds adapters, runs the suite in three parts, and takes back the adapters and
the firewall's rules that it has added. The MSI stays installed. It needs Node 24 and npm in the path, and 64-bit Windows
10 2004, Windows 11, Server 2022 or later. See docs/windows.md.

.PARAMETER Msi
OpenVPN 2.7 or later: a file, or an https address. Its signature is checked. Without it the driver has to be there.

.PARAMETER Adapters
How many adapters are added for the run; each tunnel takes one.

.PARAMETER Results
The folder for what each case came to, as JSON; from the root of the checkout.
#>
[CmdletBinding()]
param(
  [string] $Msi = '',
  [ValidateRange(1, 10)] [int] $Adapters = 5,
  [string] $Results = 'build\windows'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
# Programs do not throw, in whichever PowerShell: their status is looked at.
$PSNativeCommandUseErrorActionPreference = $false
# It slows a download down many times.
$ProgressPreference = 'SilentlyContinue'
$root = Split-Path -Parent (Split-Path -Parent $PSScriptRoot)
$tapctl = Join-Path $env:ProgramFiles 'OpenVPN\bin\tapctl.exe'
$group = 'dcokit-test'

function Invoke-Program([string] $Program, [string[]] $Words) {
  Write-Host "> $Program $($Words -join ' ')"
  & $Program @Words | Out-Host
  if ($LASTEXITCODE -ne 0) { throw "$Program ended with status $LASTEXITCODE" }
}

function Install-Driver([string] $From) {
  $file = $From
  if ($From -match '^https://') {
    $file = Join-Path ([IO.Path]::GetTempPath()) 'dcokit-openvpn.msi'
    [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    Invoke-WebRequest -Uri $From -OutFile $file -UseBasicParsing
  }
  $file = (Resolve-Path -LiteralPath $file).Path
  $signature = Get-AuthenticodeSignature -LiteralPath $file
  if ($signature.Status -ne 'Valid') { throw "$file is not signed well: $($signature.StatusMessage)" }
  $signer = $signature.SignerCertificate.Subject
  if ($signer -notmatch '(^|, )O="?OpenVPN') { throw "$file is signed by somebody else: $signer" }
  Write-Host "SHA-256 of the MSI: $((Get-FileHash -Algorithm SHA256 -LiteralPath $file).Hash), signed by $signer"
  $features = 'ADDLOCAL=OpenVPN,OpenVPN.Service,Drivers,Drivers.OvpnDco'
  $words = @('/i', "`"$file`"", '/qn', '/norestart', $features)
  $done = Start-Process -FilePath msiexec.exe -ArgumentList $words -Wait -PassThru
  # 3010: done, and Windows wants to be started anew, which the driver does not need.
  if ($done.ExitCode -notin 0, 3010) { throw "msiexec ended with status $($done.ExitCode)" }
}

# Its GUID: renaming one fails now and then.
function Add-Adapter {
  $said = (& $tapctl create --hwid ovpn-dco) -join ' '
  $guid = [regex]::Match($said, '\{[0-9A-Fa-f-]{36}\}').Value
  if ($LASTEXITCODE -ne 0 -or $guid -eq '') { throw "tapctl create ended with status ${LASTEXITCODE}: $said" }
  return $guid
}

# One part of the suite; a part that fails does not keep the others from being run.
function Invoke-Part([string] $Name, [string[]] $Words) {
  $json = Join-Path $Results "$Name.json"
  $all = @('--expose-gc', (Join-Path $root 'test\conformance\run.ts')) + $Words + @('--json', $json)
  Write-Host "== $Name"
  & node.exe @all | Out-Host
  return $LASTEXITCODE -eq 0
}

# From where the script was called, so that a path is from there.
if ($Msi -ne '') { Install-Driver $Msi }
$added = @()
$failed = @()
Push-Location $root
try {
  if (-not (Test-Path -LiteralPath $tapctl)) { throw "there is no $tapctl; give the MSI by -Msi" }
  New-Item -ItemType Directory -Force -Path $Results | Out-Null
  # Only what the suite loads, in the versions of the lock file; npm ci wants packages of all platforms to be in it.
  Invoke-Program 'npm.cmd' @('install', '--no-save', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund')

  for ($n = 1; $n -le $Adapters; $n++) { $added += Add-Adapter }
  Invoke-Program $tapctl @('list', '--hwid', 'ovpn-dco')
  # Pings out of the tunnel: a fresh adapter is on a public network, from which Windows answers none.
  foreach ($rule in @(@('ICMPv4', 8, '10.8.0.0/24'), @('ICMPv6', 128, 'fd00:8::/64'))) {
    New-NetFirewallRule -DisplayName $group -Group $group -Direction Inbound -Action Allow `
      -Protocol $rule[0] -IcmpType $rule[1] -RemoteAddress $rule[2] | Out-Null
  }

  # What one adapter can do; then the driver at one end and the userspace backend at the other, both ways round. Never
  # the driver at both ends: two of its sockets that face each other can hang a machine.
  if (-not (Invoke-Part 'windows' @('--subject', 'windows'))) { $failed += 'windows' }
  if (-not (Invoke-Part 'mixed' @('--subject', 'mixed'))) { $failed += 'mixed' }
  if (-not (Invoke-Part 'userspace' @('--subject', 'userspace'))) { $failed += 'userspace' }
}
finally {
  foreach ($guid in $added) { & $tapctl delete $guid | Out-Host }
  Remove-NetFirewallRule -Group $group -ErrorAction SilentlyContinue
  Pop-Location
}
if ($failed.Count -gt 0) { throw "failed: $($failed -join ', ')" }
Write-Host 'all parts passed'

import type { SplitNames } from './split-names.ts';

const POWERSHELL = ['powershell.exe', '-NoProfile', '-NonInteractive', '-Command'] as const;

/**
 * The commands that make Windows ask the cluster: rules of the Name Resolution Policy Table (Add-DnsClientNrptRule), which bear the
 * profile's name. A namespace with a dot before it is a domain with all below; the dot alone is all names. Of short names only those
 * of the device's own namespace are found: an interface has one suffix, which goes with it.
 */
export function windowsInstall(profile: string, device: string, names: SplitNames): readonly (readonly string[])[] {
  const namespaces = names.everything ? ['.'] : names.zones.map((zone) => `.${zone}`);
  const [suffix] = names.search;
  const rule = `Add-DnsClientNrptRule -Namespace ${list(namespaces)} -NameServers ${list(names.servers)} -Comment ${quoted(comment(profile))}`;
  const search = `Set-DnsClient -InterfaceAlias ${quoted(device)} -ConnectionSpecificSuffix ${quoted(suffix ?? '')}`;
  return [
    // Those of a process that is gone, too.
    ...windowsRemove(profile),
    [...POWERSHELL, stopping(rule)],
    ...(suffix === undefined ? [] : [[...POWERSHELL, stopping(search)]]),
    [...POWERSHELL, 'Clear-DnsClientCache'],
  ];
}

/** The commands that undo it; safe to repeat. */
export function windowsRemove(profile: string): readonly (readonly string[])[] {
  const ours = `Where-Object { $_.Comment -eq ${quoted(comment(profile))} }`;
  const remove = `Get-DnsClientNrptRule | ${ours} | ForEach-Object { Remove-DnsClientNrptRule -Name $_.Name -Force }`;
  return [[...POWERSHELL, stopping(remove)]];
}

function comment(profile: string): string {
  return `sallyport ${profile}`;
}

/** Without it, PowerShell tells of an error and ends as if there had been none. */
function stopping(command: string): string {
  return `$ErrorActionPreference = 'Stop'; ${command}`;
}

function list(words: readonly string[]): string {
  return words.map(quoted).join(',');
}

/** Nothing in single quotes means anything to PowerShell but a quote, of which it knows several. */
function quoted(word: string): string {
  return `'${word.replaceAll(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`;
}

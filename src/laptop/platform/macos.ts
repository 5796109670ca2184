import { type Parsed, parsed } from '../../net/parsed.ts';
import { MACOS_REREAD, macosFiles } from '../names/macos.ts';
import type { SplitNames } from '../names/split-names.ts';
import type { PlatformStep, PlatformTunnel } from './plan.ts';

/** Of root alone, as the file holds the private key. */
const FOLDER = '/usr/local/etc/wireguard';

/**
 * macOS: Homebrew's wireguard-tools bring wg-quick and wireguard-go, which hold the tunnel; names are split by files below /etc/resolver.
 * wg-quick names the interface by its file.
 */
export function macosUp(tunnel: PlatformTunnel, names: SplitNames | undefined): Parsed<readonly PlatformStep[]> {
  // With a full tunnel wg-quick itself sends all names there, by the DNS line of its file.
  const files = names === undefined || names.everything ? parsed([]) : macosFiles(tunnel.profile, names);
  if (!files.ok) return files;
  const path = fileOf(tunnel);
  return parsed([
    { kind: 'run', argv: ['mkdir', '-p', FOLDER, '/etc/resolver'] },
    { kind: 'write', path, text: tunnel.text, secret: true },
    { kind: 'run', argv: ['wg-quick', 'up', path] },
    ...files.value.map((file) => ({ kind: 'write', ...file, secret: false }) as const),
    ...MACOS_REREAD.map((argv) => ({ kind: 'run', argv, lenient: true }) as const),
  ]);
}

/** Takes it down again, also where only a part of it is there. */
export function macosDown(tunnel: PlatformTunnel, names: SplitNames | undefined): readonly PlatformStep[] {
  const files = names === undefined ? parsed([]) : macosFiles(tunnel.profile, { ...names, everything: false });
  const path = fileOf(tunnel);
  return [
    { kind: 'run', argv: ['wg-quick', 'down', path], lenient: true },
    { kind: 'delete', path },
    ...(files.ok ? files.value : []).map((file) => ({ kind: 'delete', path: file.path }) as const),
    ...MACOS_REREAD.map((argv) => ({ kind: 'run', argv, lenient: true }) as const),
  ];
}

function fileOf({ device }: PlatformTunnel): string {
  return `${FOLDER}/${device}.conf`;
}

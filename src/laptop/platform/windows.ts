import type { SplitNames } from '../names/split-names.ts';
import { windowsInstall, windowsRemove } from '../names/windows.ts';
import type { PlatformStep, PlatformTunnel } from './plan.ts';

/** Only administrators and the system may read what the WireGuard service keeps here. */
const FOLDER = 'C:\\Program Files\\WireGuard\\Data\\Configurations';
const WIREGUARD = 'C:\\Program Files\\WireGuard\\wireguard.exe';

/** Windows: the official WireGuard holds the tunnel as a service, named by its file; names are split by the Name Resolution Policy Table. */
export function windowsUp(tunnel: PlatformTunnel, names: SplitNames | undefined): readonly PlatformStep[] {
  const path = fileOf(tunnel);
  return [
    { kind: 'write', path, text: tunnel.text, secret: true },
    { kind: 'run', argv: [WIREGUARD, '/installtunnelservice', path] },
    ...(names === undefined ? [] : windowsInstall(tunnel.profile, tunnel.device, names)).map(
      (argv) => ({ kind: 'run', argv }) as const,
    ),
  ];
}

/** Takes it down again, also where only a part of it is there. */
export function windowsDown(tunnel: PlatformTunnel): readonly PlatformStep[] {
  return [
    ...windowsRemove(tunnel.profile).map((argv) => ({ kind: 'run', argv, lenient: true }) as const),
    { kind: 'run', argv: [WIREGUARD, '/uninstalltunnelservice', tunnel.device], lenient: true },
    { kind: 'delete', path: fileOf(tunnel) },
  ];
}

function fileOf({ device }: PlatformTunnel): string {
  return `${FOLDER}\\${device}.conf`;
}

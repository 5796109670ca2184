import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Commands } from '../../host/exec.ts';
import type { FilesFinding, Findings, Look } from '../../laptop/doctor/findings.ts';
import { PUBLIC } from '../../laptop/doctor/full-hop.ts';
import { seen } from '../../laptop/doctor/seen.ts';
import { gatewayAddresses } from '../../laptop/tunnel.ts';
import { type PresharedKey, parsePresharedKey } from '../../net/key.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import type { ClusterOptions } from '../cluster/connect.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { lookAtClock } from './clock.ts';
import { lookAtCluster } from './cluster.ts';
import { confirmed } from './confirmed.ts';
import { dialEndpoints } from './endpoints.ts';
import { lookAtFiles } from './files.ts';
import { type AskedService, lookInside } from './inside.ts';
import { lookAtDevice, lookAtGuard, lookAtRouting } from './machine.ts';
import { lookAtSupervisor } from './supervisor.ts';

export interface LookOptions {
  readonly profiles: Profiles;
  readonly name: string;
  readonly runFolder: string;
  readonly cluster: ClusterOptions;
  readonly service: AskedService | undefined;
  readonly commands: Commands;
  readonly clock?: Clock | undefined;
}

type Read = Extract<FilesFinding, { readonly kind: 'read' }>;

/** Looks at everything between this device and the cluster's Services, each thing for a few seconds at most. */
export async function look(options: LookOptions): Promise<Findings> {
  const { profiles, name, runFolder, clock = systemClock } = options;
  const files = lookAtFiles(profiles, name);
  const supervisor = await lookAtSupervisor(runFolder, name);
  const common = { now: clock.now(), name, files, supervisor };
  if (files.kind === 'unusable') return { ...common, ...NOTHING };
  const full = supervisor.kind === 'running' && supervisor.full;
  const { lookThrough, ...further } = await lookFurther(files, options, { clock, full });
  if (lookThrough === undefined) return { ...common, ...further, inside: undefined };
  return confirmed({ ...common, ...further, inside: await lookThrough() }, lookThrough);
}

const NOTHING = {
  clock: { kind: 'unseen', why: 'the profile does not tell beside whose clock this one is to be held' } as Look<never>,
  device: undefined,
  routing: undefined,
  cluster: undefined,
  endpoints: undefined,
  inside: undefined,
};

/** `lookThrough` looks through the tunnel, after the handshakes: the gateway sends to their sockets until the interface has sent something. */
async function lookFurther(
  files: Read,
  options: LookOptions,
  { clock, full }: { readonly clock: Clock; readonly full: boolean },
) {
  const { commands, service } = options;
  const { profile, configuration } = files;
  const needed = [...gatewayAddresses(configuration), ...(configuration.dns?.servers ?? [])];
  const [device, routing, time, cluster, endpoints, guarded] = await Promise.all([
    lookAtDevice(commands, profile.device),
    lookAtRouting(commands, [...needed, ...PUBLIC]),
    lookAtClock(profile.server, clock.now),
    lookAtCluster(options.cluster, profile, configuration, service),
    dialFrom(files, options, clock),
    lookAtGuard(commands, profile.device),
  ]);
  const guardedRouting =
    routing.kind === 'seen' ? ({ ...routing, value: { ...routing.value, guarded } } as const) : routing;
  const link = seen(device);
  // Where interfaces cannot be seen, what answers through the tunnel tells whether there is one.
  const isThere = device.kind === 'unseen' || link?.up === true;
  const mtu = link?.mtu ?? configuration.mtu ?? 1280;
  const lookThrough = isThere ? () => lookInside({ commands, configuration, mtu, service, full }) : undefined;
  return { device, routing: guardedRouting, clock: time, cluster, endpoints, lookThrough };
}

async function dialFrom({ configuration }: Read, { profiles, name, commands }: LookOptions, clock: Clock) {
  const privateKey = keyOrNone(profiles, name);
  if (privateKey === undefined) return undefined;
  const presharedKey = configuration.hasPresharedKey ? presharedKeyOf(profiles, name) : undefined;
  return dialEndpoints(configuration, { commands, privateKey, presharedKey, clock, randomBytes });
}

/** A key that cannot be read is told with the files. */
function keyOrNone(profiles: Profiles, name: string) {
  try {
    return profiles.privateKey(name);
  } catch {
    return undefined;
  }
}

function presharedKeyOf(profiles: Profiles, name: string): PresharedKey | undefined {
  const file = profiles.presharedKeyFile(name);
  const key = file === undefined ? undefined : parsePresharedKey(readFileSync(file, 'utf8'));
  return key?.ok === true ? key.value : undefined;
}

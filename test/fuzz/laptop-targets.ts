import { $ZodError } from 'zod/v4/core';
import { countersIn } from '../../src/cli/path/counters.ts';
import { parseTunnelStatus } from '../../src/cli/supervisor/status.ts';
import { claimedDomains } from '../../src/laptop/names/resolved.ts';
import { deviceFor, nameFrom, parseProfile, profileName } from '../../src/laptop/profile.ts';
import { parseDuration } from '../../src/net/duration.ts';
import { mutatedText, mutatedValue } from './mutate.ts';
import type { FuzzTarget } from './run.ts';
import { KEYS } from './seeds.ts';
import { parsing, taken, text } from './target-kinds.ts';

const PROFILE = {
  version: 1,
  name: 'lab',
  device: 'sp-lab',
  namespace: 'team-a',
  peer: 'ada',
  server: 'https://192.0.2.1:6443',
  context: 'kind-lab',
  joinedAt: '2026-01-01T00:00:00Z',
};
const STATUS = {
  profile: 'lab',
  pid: 12,
  device: 'sp-lab',
  publicKey: KEYS.ada.publicKey,
  since: '2026-01-01T00:00:00Z',
  addresses: ['10.213.0.20'],
  routes: ['10.96.0.0/12'],
  full: false,
  gateways: [{ name: 'default', publicKey: KEYS.gateway.publicKey, path: 'online', receivedBytes: 1, sentBytes: 2 }],
  notices: [{ at: '2026-01-01T00:00:00Z', text: 'moved' }],
};
const COUNTERS = [
  'Inter-|   Receive                                                |  Transmit',
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
  'sp-lab: 123456     789    0    0    0     0          0         0    65432     987    0    0    0     0       0          0',
].join('\n');
const DOMAINS = 'Global:\nLink 2 (eth0): office.example ~corp\nLink 7 (sp-lab): ~cluster.local\n';

/** What a laptop's own files and programs say, and what people type. */
export const laptopTargets: readonly FuzzTarget[] = [
  {
    name: 'profile',
    next: (random) => JSON.stringify(mutatedValue(PROFILE, random)) ?? '',
    accepts: (input) => parseProfile(input as string).ok,
  },
  parsing('broken profile', [JSON.stringify(PROFILE)], parseProfile),
  {
    name: 'status of a tunnel',
    next: (random) => JSON.stringify(mutatedValue(STATUS, random)) ?? 'null',
    accepts: (input) => taken($ZodError, () => parseTunnelStatus(input as string)),
  },
  nameOfProfile(),
  parsing('duration', ['90m', '1h', '30d', '45s'], parseDuration),
  text('counters of interfaces', [COUNTERS], undefined, (input) => countersIn(input, 'sp-lab')),
  text('domains of systemd-resolved', [DOMAINS], undefined, (input) => {
    if (claimedDomains(input, 'sp-lab').some((domain) => /\s/.test(domain))) throw new Error('a domain of two words');
  }),
];

/** A name that is made of any text is one that is taken, and so is its interface's. */
function nameOfProfile(): FuzzTarget {
  return {
    name: 'name of a profile',
    next: (random) => mutatedText('arn:aws:eks:eu-west-1:123:cluster/My_Lab', random),
    accepts: (input) => {
      const name = nameFrom(input as string);
      if (name === undefined) return false;
      const profile = { ...PROFILE, name, device: deviceFor(name, new Set([deviceFor(name, new Set())])) };
      const read = parseProfile(JSON.stringify(profile));
      if (!profileName(name).ok || !read.ok) throw new Error(`${name} with ${profile.device} is no profile`);
      return true;
    },
  };
}

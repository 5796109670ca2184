import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dialEndpoints } from '../../../src/cli/doctor/endpoints.ts';
import { lookAtFiles } from '../../../src/cli/doctor/files.ts';
import { lookForLargest } from '../../../src/cli/doctor/largest-packet.ts';
import { lookAtDevice, lookAtRouting } from '../../../src/cli/doctor/machine.ts';
import { askDns, reachByTcp } from '../../../src/cli/doctor/reach.ts';
import { lookAtSupervisor } from '../../../src/cli/doctor/supervisor.ts';
import { askSystemResolver } from '../../../src/cli/doctor/system-resolver.ts';
import { ownCommands } from '../../../src/cli/own-commands.ts';
import { Profiles } from '../../../src/cli/profiles/profiles.ts';
import { statusSocket } from '../../../src/cli/supervisor/status-socket.ts';
import type { Profile } from '../../../src/laptop/profile.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { aClientConfiguration, aClientGateway } from '../../support/client-configurations.ts';
import { ScriptedCommands } from '../../support/scripted-commands.ts';
import { seeded } from '../../usermode/builders.ts';
import { FakeGateway } from '../../usermode/fake-gateway.ts';
import { StubDns } from '../names/stub-dns.ts';

const HERE = '127.0.0.1' as IpAddress;
const OWN = keyPairFrom(new Uint8Array(32).fill(9));
const PROFILE: Profile = {
  version: 1,
  name: 'lab',
  device: 'sp-lab',
  namespace: 'team-a',
  peer: 'ada',
  server: 'https://192.0.2.1:6443',
  joinedAt: '2026-07-31T00:00:00Z',
};

let folder: string;
let profiles: Profiles;
const ending: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-doctor-'));
  profiles = new Profiles(join(folder, 'profiles'));
});

afterEach(async () => {
  for (const end of ending.splice(0)) await end();
  rmSync(folder, { recursive: true });
});

async function listening(): Promise<number> {
  const server: Server = createServer((socket) => socket.destroy());
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, HERE, resolve);
  await promise;
  ending.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

describe('files', () => {
  test('as join leaves them', () => {
    profiles.writePrivateKey('lab', OWN.privateKey);
    profiles.write({ profile: PROFILE, configuration: aClientConfiguration() });
    const key = { kind: 'read', mode: 0o600, publicKey: OWN.publicKey, file: profiles.privateKeyFile('lab') };
    expect(lookAtFiles(profiles, 'lab')).toMatchObject({
      kind: 'read',
      profile: PROFILE,
      key,
      hasPresharedKeyFile: false,
    });
    chmodSync(profiles.privateKeyFile('lab'), 0o640);
    expect(lookAtFiles(profiles, 'lab')).toMatchObject({ key: { mode: 0o640 } });
  });

  test('without a key, with one that is none, and unreadable', () => {
    profiles.write({ profile: PROFILE, configuration: aClientConfiguration() });
    expect(lookAtFiles(profiles, 'lab')).toMatchObject({ key: { kind: 'absent' } });
    writeFileSync(profiles.privateKeyFile('lab'), 'a secret that is no key');
    const found = lookAtFiles(profiles, 'lab');
    expect(found).toMatchObject({ key: { kind: 'unusable' } });
    expect(JSON.stringify(found)).not.toContain('a secret');
    writeFileSync(join(profiles.folder, 'lab', 'sallyport.conf'), 'garbage');
    expect(lookAtFiles(profiles, 'lab')).toMatchObject({ kind: 'unusable', folder: join(profiles.folder, 'lab') });
  });
});

test('a supervisor that is not there, and one that says what is no status', async () => {
  expect(await lookAtSupervisor(folder, 'lab')).toEqual({ kind: 'none' });
  const server = createServer((socket) => socket.end('{}'));
  server.listen(statusSocket(folder, 'lab'));
  ending.push(() => server.close());
  expect(await lookAtSupervisor(folder, 'lab')).toMatchObject({ kind: 'mute' });
});

describe('sockets', () => {
  test('TCP that is taken, and TCP that is refused', async () => {
    expect(await reachByTcp(HERE, await listening())).toMatchObject({ kind: 'connected' });
    expect(await reachByTcp(HERE, 1)).toEqual({ kind: 'refused' });
  });

  test('DNS that answers, says no, is silent, and is not there', async () => {
    const replies = { 'a.demo': '10.96.0.1', 'b.demo': 3, 'c.demo': 'silence' } as const;
    const [server, port] = ['127.0.77.7' as IpAddress, await listening()];
    const stub = await StubDns.open(server, port, ({ name }) => replies[name as keyof typeof replies]);
    ending.push(() => stub.close());
    const ask = (name: string) => askDns(server, name, 7, port);
    expect(await ask('a.demo')).toEqual({ kind: 'answered', rcode: 0, addresses: ['10.96.0.1'] });
    expect(await ask('b.demo')).toMatchObject({ kind: 'answered', rcode: 3 });
    expect(await ask('c.demo')).toEqual({ kind: 'silent' });
    expect(stub.asked.filter(({ name }) => name === 'c.demo')).toHaveLength(2);
    expect(await askDns(HERE, 'a.demo', 7, 1)).toEqual({ kind: 'refused' });
  });

  test('the resolver of this machine', async () => {
    expect(await askSystemResolver(ownCommands(), 'localhost')).toMatchObject({ kind: 'found' });
    expect(await askSystemResolver(ownCommands(), 'nobody.invalid')).toMatchObject({ kind: 'not-found' });
  });

  test('an endpoint that answers, one where nothing listens, one without an address', async () => {
    const gatewayKeys = keyPairFrom(new Uint8Array(32).fill(7));
    const gateway = await FakeGateway.listen(OWN.publicKey, 0, gatewayKeys);
    ending.push(() => gateway.close());
    const endpoints = [`127.0.0.1:${gateway.port}`, '127.0.0.1:1', 'gateway.invalid:51840'] as Endpoint[];
    const commands = new ScriptedCommands((line) =>
      line.includes('gateway.invalid') ? '{"code":"ENOTFOUND"}' : '[{"dst":"127.0.0.1","dev":"lo"}]',
    );
    const dialling = {
      commands,
      privateKey: OWN.privateKey,
      presharedKey: undefined,
      clock: systemClock,
      randomBytes: seeded('dial'),
    };
    const found = await dialEndpoints({ gateways: [aClientGateway({ endpoints })] }, dialling);
    expect(found).toMatchObject([
      { address: HERE, device: 'lo', outcome: { kind: 'answered' } },
      { address: HERE, outcome: { kind: 'refused' } },
      { address: undefined, outcome: { kind: 'unresolved', code: 'ENOTFOUND' } },
    ]);
  });
});

describe('this machine', () => {
  const link = JSON.stringify([
    { ifindex: 7, ifname: 'sp-lab', flags: ['UP'], mtu: 1420, linkinfo: { info_kind: 'wireguard' } },
  ]);
  const denied = { exitCode: 1, stderr: 'Unable to access interface sp-lab: Operation not permitted' };

  test('shows everybody its interface, and root alone its keys', async () => {
    const commands = new ScriptedCommands((line) =>
      line.startsWith('wg') ? denied : line.includes('address') ? '[]' : link,
    );
    expect(await lookAtDevice(commands, 'sp-lab')).toMatchObject({
      kind: 'seen',
      value: { kind: 'wireguard', up: true, mtu: 1420, addresses: [], keys: { kind: 'unseen' } },
    });
    expect(await lookAtDevice(commands, 'sp-other')).toEqual({ kind: 'seen', value: undefined });
  });

  test('shows its routes, and by which interface an address is reached, if at all', async () => {
    const commands = new ScriptedCommands((line) => {
      if (line.endsWith('get 10.213.0.1')) return '[{"dst":"10.213.0.1","dev":"sp-lab"}]';
      if (line.includes('get')) return { exitCode: 2, stderr: 'RTNETLINK answers: Network is unreachable' };
      return line.includes('-6') ? '[]' : '[{"dst":"10.96.0.0/12","dev":"sp-lab"}]';
    });
    expect(await lookAtRouting(commands, ['10.213.0.1', '10.96.0.10'] as IpAddress[])).toEqual({
      kind: 'seen',
      value: {
        routes: [{ destination: '10.96.0.0/12', device: 'sp-lab' }],
        ways: new Map([
          ['10.213.0.1', 'sp-lab'],
          ['10.96.0.10', undefined],
        ]),
      },
    });
  });

  test.each([
    [1500, 1420],
    [1372, 1360],
    [90, undefined],
  ])('of a path that carries %i bytes, finds that %s come back', async (carries, passed) => {
    const commands = new ScriptedCommands((line) =>
      Number(/-s (\d+)/.exec(line)?.[1]) + 28 <= carries ? '' : { exitCode: 1, stderr: '' },
    );
    expect(await lookForLargest(commands, HERE, 1420)).toEqual({ kind: 'seen', value: { tried: 1420, passed } });
  });

  test('sees nothing of large packets without the right to ping', async () => {
    const commands = new ScriptedCommands(() => ({ exitCode: 2, stderr: 'ping: socket: Operation not permitted' }));
    expect(await lookForLargest(commands, HERE, 1420)).toMatchObject({ kind: 'unseen' });
  });
});

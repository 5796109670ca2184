import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { alreadyUp, refuseFull } from '../../src/cli/commands/full.ts';
import { type JoinedProfile, Profiles } from '../../src/cli/profiles/profiles.ts';
import type { TunnelStatus } from '../../src/cli/supervisor/status.ts';
import { StatusServer } from '../../src/cli/supervisor/status-socket.ts';
import { EVERYTHING } from '../../src/mesh/client-configuration.ts';
import { aClientConfiguration, aClientGateway } from '../support/client-configurations.ts';

const UP: TunnelStatus = {
  ...{ profile: 'lab', pid: 1, device: 'sp-lab', since: '2026-08-01T12:00:00Z' },
  ...{ addresses: [], routes: [], gateways: [], notices: [] },
};

describe('a full tunnel that was asked for', () => {
  let folder: string;
  let profiles: Profiles;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-full-'));
    profiles = new Profiles(join(folder, 'profiles'));
    for (const name of ['lab', 'prod']) profiles.write(joinedAs(name));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function joinedAs(name: string, internet = EVERYTHING): JoinedProfile {
    const place = { namespace: 'team-a', peer: 'ada', server: 'https://192.0.2.1:6443', joinedAt: '' };
    return {
      profile: { version: 1, name, device: `sp-${name}`, ...place },
      configuration: aClientConfiguration({ gateways: [aClientGateway({ internet })] }),
    };
  }
  const refused = (joined: JoinedProfile, names = true) =>
    refuseFull(joined, { profiles, runFolder: folder, names }).then(
      () => undefined,
      (error: Error) => error.message,
    );

  test('is taken where the gateway offers it and no other one is up', async () => {
    expect(await refused(joinedAs('lab'))).toBeUndefined();
  });

  test('is refused without names, and without an offer', async () => {
    expect(await refused(joinedAs('lab'), false)).toMatch(/^--full sends all names .* --no-names none; leave one/);
    expect(await refused(joinedAs('lab', []))).toMatch(/^gateway default takes no full tunnel; leave out --full/);
  });

  test('is refused while another profile has one, and not while it has an ordinary one', async () => {
    let full = true;
    const server = await StatusServer.listen(folder, 'prod', async () => ({ ...UP, profile: 'prod', full }));
    expect(await refused(joinedAs('lab'))).toMatch(/^prod is up with --full.*sallyport down prod$/);
    full = false;
    expect(await refused(joinedAs('lab'))).toBeUndefined();
    server.close();
  });

  test('is no other one than that which is up', () => {
    expect(alreadyUp({ ...UP, full: true }, 'lab', true)).toBe('lab is up already, with --full; see: sallyport status');
    expect(alreadyUp(UP, 'lab', false)).toBe('lab is up already; see: sallyport status');
    expect(alreadyUp({ ...UP, full: true }, 'lab', false)).toContain('with --full');
    expect(() => alreadyUp(UP, 'lab', true)).toThrow(
      /^lab is up without --full; take it down first: sallyport down lab/,
    );
  });
});

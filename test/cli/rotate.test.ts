import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { rotate } from '../../src/cli/commands/rotate.ts';
import { status } from '../../src/cli/commands/status.ts';
import { UserError } from '../../src/cli/output.ts';
import { Profiles } from '../../src/cli/profiles/profiles.ts';
import type { KeyedTunnel } from '../../src/cli/supervisor/key-switch.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import type { Profile } from '../../src/laptop/profile.ts';
import { judgePeer } from '../../src/mesh/peer-status.ts';
import { keyPairFrom, publicKeyOf } from '../../src/net/key-pair.ts';
import { aKey, aReport, aView, NOW } from '../support/builders.ts';
import { aClientConfiguration } from '../support/client-configurations.ts';
import { FakeApiServer } from '../support/fake-api-server/server.ts';

const TARGET = { name: 'ada', namespace: 'team-a' };
const FIRST = keyPairFrom(new Uint8Array(32).fill(7));

/** What a process that is killed does from then on. */
class Killed extends Error {}

/** Calls back before and after each change of a file. */
class WatchedProfiles extends Profiles {
  onStep: (step: string) => void = () => undefined;

  override writeNextPrivateKey(...args: Parameters<Profiles['writeNextPrivateKey']>): void {
    this.#around('write the next key', () => super.writeNextPrivateKey(...args));
  }
  override takeNextPrivateKey(...args: Parameters<Profiles['takeNextPrivateKey']>): void {
    this.#around('take the next key', () => super.takeNextPrivateKey(...args));
  }
  override takeFormerPrivateKey(...args: Parameters<Profiles['takeFormerPrivateKey']>): void {
    this.#around('take the former key', () => super.takeFormerPrivateKey(...args));
  }
  override endRotation(...args: Parameters<Profiles['endRotation']>): void {
    this.#around('forget the former key', () => super.endRotation(...args));
  }

  #around(step: string, act: () => void): void {
    this.onStep(`before: ${step}`);
    act();
    this.onStep(`after: ${step}`);
  }
}

let folder: string;
let server: FakeApiServer;
let client: Client;
let profiles: WatchedProfiles;
let tunnel: KeyedTunnel & { readonly proved: string[] };
let operating: AbortController;
let operator: Promise<void>;

beforeEach(async () => {
  folder = mkdtempSync(path(tmpdir(), 'sallyport-rotate-'));
  profiles = new WatchedProfiles(path(folder, 'profiles'));
  const { parse: _, ...resource } = meshPeerType;
  server = await FakeApiServer.start({ plain: true, resources: [{ ...resource, status: true }] });
  client = createClient(createTransport(server.connection(), { userAgent: 'test' }));
  writeFileSync(path(folder, 'kubeconfig'), server.kubeconfig());
  await client.create(meshPeerType, { metadata: TARGET, spec: { publicKey: FIRST.publicKey } });
  operating = new AbortController();
  operator = operate(operating.signal);
  const profile: Profile = {
    ...{ version: 1, name: 'lab', namespace: 'team-a', peer: 'ada', device: 'sp-lab' },
    ...{ server: server.connection().server.href, joinedAt: '2026-01-01T00:00:00Z' },
  };
  profiles.write({ profile, configuration: aClientConfiguration() });
  profiles.writePrivateKey('lab', FIRST.privateKey);
  tunnel = aTunnel();
});

afterEach(async () => {
  operating.abort();
  await operator;
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** The operator and a node that follows at once. */
async function operate(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const peer = await client.get(meshPeerType, TARGET.name, TARGET.namespace).catch(() => undefined);
    if (peer !== undefined) {
      const applied = { status: { appliedResourceVersion: peer.metadata.resourceVersion } };
      const { status } = judgePeer(aView({ peers: [peer], reports: [aReport(applied)] }), peer, NOW);
      if (JSON.stringify(status) !== JSON.stringify(peer.status))
        await client.applyStatus(meshPeerType, TARGET, status, { fieldManager: 'operator' }).catch(() => undefined);
    }
    await delay(10);
  }
}

function aTunnel(over: Partial<KeyedTunnel> = {}): typeof tunnel {
  const proved: string[] = [];
  return {
    held: 'up',
    proved,
    proveAnswered: async () => undefined,
    untilApart: async () => undefined,
    proves: async (key) => {
      proved.push(key);
      return true;
    },
    ...over,
  };
}

const run = () =>
  rotate('lab', {
    ...{ kubeconfig: path(folder, 'kubeconfig'), profiles, runFolder: folder },
    tunnelOf: async () => tunnel,
  });
const peerNow = async () => (await client.get(meshPeerType, TARGET.name, TARGET.namespace)) as MeshPeer;
const ownKey = () => publicKeyOf(profiles.keys('lab').privateKey);
const change = (spec: object) => client.patch(meshPeerType, TARGET, { spec });

/** Whether nodes let the profile's key in: what they act on is what is both wished for and accepted. */
async function isLetIn(): Promise<boolean> {
  const { spec, status } = await peerNow();
  const [wished, accepted] = [spec, status].map((from) => [from?.publicKey, from?.nextPublicKey]);
  return wished?.includes(ownKey()) === true && accepted?.includes(ownKey()) === true;
}

async function expectSettled(): Promise<void> {
  const { spec } = await peerNow();
  expect([spec.publicKey, spec.nextPublicKey]).toEqual([ownKey(), undefined]);
  expect(readdirSync(path(folder, 'profiles', 'lab')).sort()).toEqual([
    'private.key',
    'profile.json',
    'sallyport.conf',
  ]);
}

describe('sallyport rotate', () => {
  test('gives the device another key, which proved good while both were let in', async () => {
    const letIn: unknown[] = [];
    tunnel = aTunnel({
      proves: async () => {
        letIn.push([(await peerNow()).status?.publicKey, (await peerNow()).status?.nextPublicKey]);
        expect(statSync(path(folder, 'profiles/lab/former-private.key')).mode & 0o777).toBe(0o600);
        return true;
      },
    });
    expect(await run()).toBe(0);
    expect(ownKey()).not.toBe(FIRST.publicKey);
    expect(letIn).toEqual([[FIRST.publicKey, ownKey()]]);
    await expectSettled();
  });

  test('twice at once does it once, and the other says why it does not', async () => {
    const both = await Promise.allSettled([run(), run()]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: expect.objectContaining({
        message: expect.stringContaining('another sallyport is changing the key of lab'),
      }),
    });
    await expectSettled();
  });

  test('again gives it yet another one', async () => {
    await run();
    const second = ownKey();
    await run();
    expect([FIRST.publicKey, second]).not.toContain(ownKey());
    await expectSettled();
  });

  test('goes back to the former key when the next one does not prove good, says so, and may be repeated', async () => {
    tunnel = aTunnel({ proves: async (key) => key === FIRST.publicKey });
    await expect(run()).rejects.toThrow(/back at the former one, which works.*repeat: sallyport rotate lab/);
    expect([ownKey(), (await peerNow()).spec.publicKey]).toEqual([FIRST.publicKey, FIRST.publicKey]);
    tunnel = aTunnel();
    await run();
    await expectSettled();
  });

  test('does not change the tunnel when no gateway answers the next key', async () => {
    tunnel = aTunnel({ proveAnswered: () => Promise.reject(new UserError('no gateway answers')) });
    await expect(run()).rejects.toThrow('no gateway answers');
    expect(ownKey()).toBe(FIRST.publicKey);
    expect(tunnel.proved).toEqual([]);
  });

  test('with the tunnel down goes by what gateways answer beside it', async () => {
    tunnel = aTunnel({ held: 'down', proves: () => Promise.reject(new Error('there is no tunnel')) });
    await run();
    await expectSettled();
  });

  test('where nobody can ask the tunnel leaves both keys in until it was taken down and up', async () => {
    tunnel = aTunnel({ held: 'elsewhere', proves: () => Promise.reject(new Error('nobody can ask')) });
    await run();
    const { spec } = await peerNow();
    expect([spec.publicKey, spec.nextPublicKey]).toEqual([FIRST.publicKey, ownKey()]);
    await run();
    await expectSettled();
  });

  test.each([
    ['a suspended device', { suspended: true }, /spec\.suspended is true/],
    ['an expired device', { expiresAt: '2026-01-01T00:00:00Z' }, /has passed/],
    [
      'a device that is being given another key by somebody else',
      { nextPublicKey: aKey('eve') },
      /somebody else.*kubectl/,
    ],
    ['a MeshPeer that is another device’s by now', { publicKey: aKey('eve') }, /another device's/],
  ])('is refused to %s, and leaves nothing behind', async (_who, spec, why) => {
    await change(spec);
    await expect
      .poll(async () => (await peerNow()).status?.observedGeneration)
      .toBe((await peerNow()).metadata.generation);
    await expect(run()).rejects.toThrow(why);
    expect(profiles.isRotating('lab')).toBe(false);
    expect(ownKey()).toBe(FIRST.publicKey);
  });

  test('goes back to the former key, and on from there, when somebody took the next one back', async () => {
    profiles.onStep = (step) => {
      if (step === 'after: take the next key') throw new Killed();
    };
    await expect(run()).rejects.toThrow(Killed);
    profiles.onStep = () => undefined;
    await change({ nextPublicKey: null });
    await run();
    await expectSettled();
  });

  test('of a device whose MeshPeer somebody ended the change of by hand takes the next key', async () => {
    profiles.onStep = (step) => {
      if (step === 'before: take the next key') throw new Killed();
    };
    await expect(run()).rejects.toThrow(Killed);
    profiles.onStep = () => undefined;
    await change({ publicKey: (await peerNow()).spec.nextPublicKey, nextPublicKey: null });
    await run();
    await expectSettled();
  });
});

describe('a rotation that is killed', () => {
  const steps = ['write the next key', 'take the next key', 'forget the former key'].flatMap((step) => [
    `before: ${step}`,
    `after: ${step}`,
  ]);

  test.each(steps)('%s, leaves a key that is let in, and comes to its end when it is repeated', async (killedAt) => {
    profiles.onStep = (step) => {
      if (step === killedAt) throw new Killed();
    };
    await expect(run()).rejects.toThrow(Killed);
    expect(await isLetIn()).toBe(true);
    profiles.onStep = () => undefined;
    await run();
    expect(ownKey()).not.toBe(FIRST.publicKey);
    await expectSettled();
  });

  test.each(['take the former key'].flatMap((step) => [`before: ${step}`, `after: ${step}`]))(
    '%s, on its way back, likewise',
    async (killedAt) => {
      tunnel = aTunnel({ proves: async () => false });
      profiles.onStep = (step) => {
        if (step === killedAt) throw new Killed();
      };
      await expect(run()).rejects.toThrow(Killed);
      expect(await isLetIn()).toBe(true);
      profiles.onStep = () => undefined;
      tunnel = aTunnel();
      await run();
      await expectSettled();
    },
  );

  test('is told by status, which says how to go on', async () => {
    const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const said = async () => {
      printed.mockClear();
      await status({ profiles, runFolder: folder, profile: 'lab', output: 'text' }, Date.now);
      return printed.mock.calls.join();
    };
    try {
      expect(await said()).not.toContain('sallyport rotate');
      profiles.onStep = (step) => {
        if (step === 'after: take the next key') throw new Killed();
      };
      await expect(run()).rejects.toThrow(Killed);
      expect(await said()).toContain('sallyport rotate lab');
    } finally {
      printed.mockRestore();
    }
  });

  test('between two files of one step leaves what counts for nothing', () => {
    profiles.writeNextPrivateKey('lab', FIRST.privateKey);
    expect(profiles.nextPrivateKey('lab')).toBeUndefined();
    const next = keyPairFrom(new Uint8Array(32).fill(8)).privateKey;
    profiles.writeNextPrivateKey('lab', next);
    writeFileSync(path(folder, 'profiles/lab/former-private.key'), `${FIRST.privateKey}\n`);
    expect([profiles.formerPrivateKey('lab'), profiles.nextPrivateKey('lab')]).toEqual([undefined, next]);
    profiles.takeNextPrivateKey('lab');
    expect([profiles.formerPrivateKey('lab'), profiles.keys('lab').privateKey]).toEqual([FIRST.privateKey, next]);
    expect(existsSync(path(folder, 'profiles/lab/next-private.key'))).toBe(false);
  });
});

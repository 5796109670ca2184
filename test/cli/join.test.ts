import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { type JoinOptions, join } from '../../src/cli/commands/join.ts';
import { UserError } from '../../src/cli/output.ts';
import { Profiles } from '../../src/cli/profiles/profiles.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import { wgQuick } from '../../src/mesh/wg-quick.ts';
import { keyPairFrom, publicKeyOf } from '../../src/net/key-pair.ts';
import { aClientConfiguration } from '../support/client-configurations.ts';
import { FakeApiServer } from '../support/fake-api-server/server.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const CONFIGURATION = aClientConfiguration();

let folder: string;
let server: FakeApiServer;
let client: Client;
let profiles: Profiles;

beforeEach(async () => {
  folder = mkdtempSync(path(tmpdir(), 'sallyport-join-'));
  profiles = new Profiles(path(folder, 'profiles'));
  const { parse: _, ...resource } = meshPeerType;
  server = await FakeApiServer.start({ plain: true, resources: [{ ...resource, status: true }] });
  client = createClient(createTransport(server.connection(), { userAgent: 'test' }));
  writeFileSync(path(folder, 'kubeconfig'), server.kubeconfig());
});

afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const peers = '/apis/sallyport.dev/v1alpha1/namespaces/team-a/meshpeers';
const run = (options: Partial<JoinOptions> = {}) => {
  const wishes = { kubeconfig: path(folder, 'kubeconfig'), namespace: 'team-a', name: 'ada', profile: 'lab' };
  return join({ ...wishes, ...options }, profiles, NOW);
};

/** The operator, for as long as the work goes on: it gives each new MeshPeer this status. */
async function judgedBy<T>(verdict: 'accepts' | 'refuses', work: Promise<T>): Promise<T> {
  const judged = server
    .until(() => server.seen(`${peers}/ada`, 'PATCH').length > 0)
    .then(() => judge('ada', verdict))
    .catch(() => undefined);
  const result = await work;
  await judged;
  return result;
}

async function judge(name: string, verdict: 'accepts' | 'refuses'): Promise<void> {
  const { metadata } = (await client.get(meshPeerType, name, 'team-a')) ?? { metadata: { generation: 0 } };
  const condition = (type: string, status: 'True' | 'False', reason: string, message: string) => ({
    ...{ type, status, reason, message, observedGeneration: metadata.generation },
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const status =
    verdict === 'accepts'
      ? {
          config: wgQuick(CONFIGURATION),
          conditions: [
            condition('Accepted', 'True', 'Accepted', 'In.'),
            condition('Programmed', 'True', 'Programmed', '.'),
          ],
        }
      : {
          conditions: [
            condition('Accepted', 'False', 'PoolExhausted', 'The pool 10.213.0.0/29 is full; delete peers.'),
          ],
        };
  const observed = { observedGeneration: metadata.generation, ...status };
  await client.applyStatus(meshPeerType, { namespace: 'team-a', name }, observed, { fieldManager: 'operator' });
}

describe('sallyport join', () => {
  test('makes the MeshPeer with a key of this device, and stores what the cluster said', async () => {
    expect(await judgedBy('accepts', run({ owner: 'ada@example.com', expires: '8h' }))).toBe('lab');
    const peer = await client.get(meshPeerType, 'ada', 'team-a');
    const { profile, configuration } = profiles.read('lab');
    expect(peer?.spec).toMatchObject({ owner: 'ada@example.com', expiresAt: '2026-01-01T08:00:00Z' });
    expect(profile).toMatchObject({
      device: 'sp-lab',
      namespace: 'team-a',
      peer: 'ada',
      expiresAt: '2026-01-01T08:00:00Z',
    });
    expect(configuration).toEqual(CONFIGURATION);
    const key = profiles.privateKey('lab');
    expect(key === undefined ? undefined : publicKeyOf(key)).toBe(peer?.spec.publicKey);
  });

  test('makes the device that of the user, as the API server knows them, and a device that is there keeps its owner', async () => {
    const review = JSON.stringify({ status: { userInfo: { username: 'oidc:ada' } } });
    server.fault({ path: 'selfsubjectreviews', action: { kind: 'answer', text: review, code: 201 } });
    await judgedBy('accepts', run());
    expect((await client.get(meshPeerType, 'ada', 'team-a'))?.spec.owner).toBe('oidc:ada');
    await client.patch(meshPeerType, { namespace: 'team-a', name: 'ada' }, { spec: { owner: 'bob' } });
    await judge('ada', 'accepts');
    await run();
    expect((await client.get(meshPeerType, 'ada', 'team-a'))?.spec.owner).toBe('bob');
  });

  test('keeps the private key to its owner, and sends it nowhere', async () => {
    await judgedBy('accepts', run());
    const file = profiles.privateKeyFile('lab');
    const key = readFileSync(file, 'utf8').trim();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path(folder, 'profiles/lab')).mode & 0o777).toBe(0o700);
    expect(JSON.stringify(server.seen(''))).not.toContain(key);
  });

  test('run twice it is the same device, with the same key and interface', async () => {
    await judgedBy('accepts', run());
    const before = { ...profiles.read('lab').profile, key: profiles.privateKey('lab') };
    await run();
    expect({ ...profiles.read('lab').profile, key: profiles.privateKey('lab') }).toEqual(before);
  });

  test('goes on where an attempt that was refused left off', async () => {
    await expect(judgedBy('refuses', run())).rejects.toThrow('The pool 10.213.0.0/29 is full; delete peers.');
    const key = profiles.privateKey('lab');
    expect(profiles.names()).toEqual([]);
    await judge('ada', 'accepts');
    await run();
    expect(profiles.privateKey('lab')).toBe(key);
  });
});

describe('sallyport join refuses in one sentence with its remedy', () => {
  const refused = async (work: Promise<unknown>) => {
    const error = await work.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  };

  test('the MeshPeer of another device', async () => {
    const spec = { publicKey: keyPairFrom(new Uint8Array(32).fill(1)).publicKey };
    await client.create(meshPeerType, { metadata: { namespace: 'team-a', name: 'ada' }, spec });
    expect(await refused(run())).toMatch(/team-a\/ada is another device's .* choose another name with --name/);
    expect((await client.get(meshPeerType, 'ada', 'team-a'))?.spec.publicKey).toBe(spec.publicKey);
  });

  test.each([
    [403, 'Forbidden', /you may not create MeshPeers in namespace team-a; .*kubectl create rolebinding/],
    [401, 'Unauthorized', /does not accept your credentials; log in/],
    [404, 'NotFound', /does not know MeshPeers: Sallyport is not installed there/],
  ])('an answer of %d', async (code, reason, sentence) => {
    server.fault({ path: 'meshpeers', action: { kind: 'refuse', code, reason } });
    expect(await refused(run())).toMatch(sentence);
  });

  test('a namespace that does not exist', async () => {
    const details = { kind: 'namespaces', name: 'team-a' };
    const text = JSON.stringify({
      kind: 'Status',
      code: 404,
      reason: 'NotFound',
      message: 'namespaces "team-a" not found',
      details,
    });
    server.fault({ method: 'PATCH', path: 'meshpeers', action: { kind: 'answer', code: 404, text } });
    expect(await refused(run())).toMatch(
      /there is no namespace team-a in the cluster; choose another with --namespace/,
    );
  });

  test('what a policy of the cluster forbids, in its own words', async () => {
    const message =
      "meshpeers.sallyport.dev \"ada\" is forbidden: ValidatingAdmissionPolicy 'sallyport-owners' with binding 'sallyport-owners' denied request: spec.owner is eve, and you are ada: name yourself";
    const text = JSON.stringify({ kind: 'Status', code: 403, reason: 'Forbidden', message });
    server.fault({ method: 'PATCH', path: 'meshpeers', action: { kind: 'answer', code: 403, text } });
    expect(await refused(run({ owner: 'eve' }))).toBe(
      'the cluster refuses this: spec.owner is eve, and you are ada: name yourself',
    );
  });

  test('a cluster that does not answer', async () => {
    await server.stop();
    expect(await refused(run())).toMatch(/cannot be reached \(.*\); check the network and the kubeconfig/);
  });

  test('what it was asked to do, before it asks a cluster', async () => {
    expect(await refused(run({ expires: 'tomorrow' }))).toMatch(/--expires: "tomorrow" is no duration such as/);
    expect(await refused(run({ profile: '../x' }))).toMatch(/--profile: .* is no name for a profile/);
    expect(await refused(run({ kubeconfig: path(folder, 'none') }))).toMatch(/none/);
    expect(await refused(run({ presharedKey: path(folder, 'none') }))).toMatch(/cannot read .*none/);
    expect(await refused(run({ tokenFile: '/dev/null' }))).toMatch(/--server and --token-file go together/);
    expect(existsSync(path(folder, 'profiles'))).toBe(false);
  });

  test('a profile that is another MeshPeer already', async () => {
    await judgedBy('accepts', run());
    expect(await refused(run({ name: 'bob' }))).toMatch(/profile "lab" is team-a\/ada .*--profile, or leave that one/);
  });

  test('a preshared key that it was not given', async () => {
    const work = run();
    await server.until(() => server.seen(`${peers}/ada`, 'PATCH').length > 0);
    const status = { config: wgQuick(aClientConfiguration({ hasPresharedKey: true })) };
    await judge('ada', 'accepts');
    await client.patch(meshPeerType, { namespace: 'team-a', name: 'ada' }, { status }, { subresource: 'status' });
    expect(await refused(work)).toMatch(/team-a\/ada has a preshared key; name the file/);
  });
});

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { buildProgram } from '../../scripts/build.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { resourcesInText, resourcesOf } from '../../src/cli/commands/plan.ts';
import { UserError } from '../../src/cli/output.ts';
import { createClient } from '../../src/k8s/client.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import { parsePublicKey } from '../../src/net/key.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { aGateway, aMember, aNode, aServedGateway } from '../support/builders.ts';
import { FakeApiServer } from '../support/fake-api-server/server.ts';

let built: string;
let folder: string;

// As it is shipped, in one file: a fifth of the time to start.
beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
  await buildProgram('cli', built);
});

afterAll(() => rmSync(built, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a person would, in a home of its own. */
function sallyport(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const child = spawn(process.execPath, [join(built, 'cli.mjs'), ...words], {
    env: { HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    texts.stdout += text;
  });
  child.stderr.on('data', (text) => {
    texts.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...texts }));
  });
}

describe('sallyport key', () => {
  test('prints the public key and puts the private key where only its owner reads it', async () => {
    const { code, stdout } = await sallyport(['key']);
    const file = join(folder, '.config/sallyport/private.key');
    expect(code).toBe(0);
    expect(parsePublicKey(stdout.trim())).toMatchObject({ ok: true });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(stdout).not.toContain(readFileSync(file, 'utf8').trim());
  });

  test('never writes over a key', async () => {
    const file = join(folder, 'my.key');
    await sallyport(['key', '--out', file]);
    const before = readFileSync(file, 'utf8');
    const { code, stdout, stderr } = await sallyport(['key', '--out', file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `sallyport: ${file} exists and is not overwritten; choose another place with --out, or move it away\n`,
    );
    expect(readFileSync(file, 'utf8')).toBe(before);
  });
});

describe('sallyport config', () => {
  const keys = keyPairFrom(new Uint8Array(32).fill(7));
  const CONFIG =
    '# demo/ada\n[Interface]\nAddress = 10.213.0.20/32\nPostUp = wg set %i private-key /etc/wireguard/%i.key\n\n[Peer]\n';
  const KEYED_CONFIG = [
    '# demo/dan',
    '# Nor is the preshared key. Keep it in /etc/wireguard/INTERFACE.psk, readable by root alone.',
    '[Interface]',
    'PostUp = wg set %i peer gateway preshared-key /etc/wireguard/%i.psk',
    'PostUp = wg set %i private-key /etc/wireguard/%i.key',
    '',
    '[Peer]',
    'PublicKey = gateway',
    '',
  ].join('\n');
  let server: FakeApiServer;

  beforeAll(async () => {
    const { parse: _, ...resource } = meshPeerType;
    server = await FakeApiServer.start({ plain: true, resources: [{ ...resource, status: true }] });
    const client = createClient(createTransport(server.connection(), { userAgent: 'test' }));
    const status = { config: CONFIG };
    const keyed = { config: KEYED_CONFIG };
    const refused = [
      {
        type: 'Accepted',
        status: 'False',
        reason: 'DuplicateKey',
        message: 'It belongs to demo/bob.',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ];
    for (const [name, given] of Object.entries({
      ada: status,
      dan: keyed,
      eve: { conditions: refused },
      new: undefined,
    })) {
      const metadata = { namespace: 'demo', name };
      const presharedKeySecretName = given === keyed ? 'dan-psk' : undefined;
      await client.create(meshPeerType, { metadata, spec: { publicKey: keys.publicKey, presharedKeySecretName } });
      if (given !== undefined) await client.applyStatus(meshPeerType, metadata, given, { fieldManager: 'test' });
    }
  });

  afterAll(() => server.stop());

  const config = (...words: readonly string[]) => {
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, server.kubeconfig());
    if (!existsSync(join(folder, 'key'))) writeFileSync(join(folder, 'key'), `${keys.privateKey}\n`);
    return sallyport(['config', '--kubeconfig', kubeconfig, '--private-key', join(folder, 'key'), ...words]);
  };

  test('prints the file of the status with the private key in place of the line that reads it', async () => {
    const { stdout, stderr } = await config('demo/ada');
    expect(stdout).toBe(
      `# demo/ada\n[Interface]\nPrivateKey = ${keys.privateKey}\nAddress = 10.213.0.20/32\n\n[Peer]\n`,
    );
    expect(stderr).toBe('');
  });

  test('has the preshared key of a peer that has one in it, and does not come without', async () => {
    const file = join(folder, 'psk');
    const presharedKey = Buffer.alloc(32, 5).toString('base64');
    writeFileSync(file, `${presharedKey}\n`);
    const { stdout } = await config('demo/dan', '--preshared-key', file);
    expect(stdout).toBe(
      `# demo/dan\n[Interface]\nPrivateKey = ${keys.privateKey}\n\n[Peer]\nPublicKey = gateway\nPresharedKey = ${presharedKey}\n`,
    );
    const without = await config('demo/dan');
    expect(without).toMatchObject({ code: 1, stdout: '' });
    expect(without.stderr).toContain('name the file that holds it with --preshared-key');
    const needless = await config('demo/ada', '--preshared-key', file);
    expect(needless).toMatchObject({ code: 1, stdout: '' });
    expect(needless.stderr).toContain('MeshPeer demo/ada has no preshared key');
    expect(`${without.stderr}${needless.stderr}`).not.toContain(presharedKey);
  });

  test('writes it where only its owner reads it', async () => {
    const file = join(folder, 'mesh.conf');
    const { stdout } = await config('demo/ada', '--out', file);
    expect(stdout).toBe('');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test.each([
    [
      'a name without a namespace, as it is of a profile',
      ['ada'],
      'there is no profile "ada"; there is none yet: sallyport join',
    ],
    ['a peer that does not exist', ['demo/bob'], 'there is no MeshPeer demo/bob; kubectl get meshpeers -A lists them'],
    ['a peer that is refused', ['demo/eve'], 'the MeshPeer is not accepted (DuplicateKey): It belongs to demo/bob.'],
    ['a peer that nobody has looked at', ['demo/new'], 'the operator has not looked at this MeshPeer yet'],
  ])('refuses %s in one sentence', async (_what, words, sentence) => {
    const { code, stdout, stderr } = await config(...words);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`sallyport: ${sentence}`);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test("refuses a key that is not the peer's, without printing it", async () => {
    const other = keyPairFrom(new Uint8Array(32).fill(9));
    writeFileSync(join(folder, 'key'), other.privateKey);
    const { code, stderr } = await config('demo/ada');
    expect(code).toBe(1);
    expect(stderr).toContain('does not belong to MeshPeer demo/ada');
    expect(stderr).not.toContain(other.privateKey);
  });
});

describe('sallyport plan', () => {
  const inFile = (...objects: readonly object[]) => {
    const file = join(folder, 'resources.yaml');
    writeFileSync(file, objects.map((object) => stringify(object)).join('---\n'));
    return file;
  };
  const node = { ...aNode('node-a'), apiVersion: 'v1', kind: 'Node' };

  test.each([
    ['kind: MeshPeer\nspec: *x', 'is not YAML'],
    ['kind: ConfigMap\nfoo: [1, 2', 'is not YAML'],
    // Whose keys would otherwise become text, with a warning of Node's.
    ['kind: ConfigMap\ndata: {{a: b}: c}', 'all keys must be strings at line 2'],
    ['kind: List\nitems: [null, 5]', 'something that is not a Kubernetes object'],
    ['kind: List\nitems: 5', 'something that is not a Kubernetes object'],
    ['just text', 'something that is not a Kubernetes object'],
    ['kind: MeshPeer\nmetadata: {name: ada}', 'MeshPeer ada: '],
  ])('refuses a file that holds %j, and names it', (text, words) => {
    expect(() => resourcesOf(resourcesInText(text, 'a.yaml'))).toThrow(UserError);
    expect(() => resourcesOf(resourcesInText(text, 'a.yaml'))).toThrow(words);
  });

  test('prints what the agent of a node will do', async () => {
    const peer = aMember({ name: 'ada', namespace: 'demo', address: '10.213.0.20' });
    const { code, stdout } = await sallyport(['plan', 'node-a', '-f', inFile(aServedGateway(), peer, node)]);
    expect(code).toBe(0);
    expect(stdout).toContain(`peer ${peer.spec.publicKey} allowed-ips 10.213.0.20/32`);
    expect(stdout).toContain('10.213.0.0/16 dev wg-default');
    expect(stdout).toContain('table inet sallyport_default');
  });

  test('has in it what single devices were granted, where the gateway denies by default', async () => {
    const peer = aMember({ name: 'ada', namespace: 'demo', address: '10.213.0.20' });
    const service = {
      kind: 'Service',
      metadata: { name: 'web', namespace: 'demo' },
      spec: { clusterIPs: ['10.96.0.20'], ports: [{ port: 80 }] },
    };
    const access = {
      apiVersion: 'sallyport.dev/v1alpha1',
      kind: 'MeshAccess',
      metadata: { name: 'web', namespace: 'demo' },
      spec: { from: [{ selector: {} }], to: [{}] },
    };
    const planned = async (gateway: object) =>
      (await sallyport(['plan', 'node-a', '-f', inFile(gateway, peer, node, service, access)])).stdout;
    const grant = '10.213.0.20 . 10.96.0.20 . 80';
    expect(await planned(aServedGateway({ spec: { access: { default: 'Deny' } } }))).toContain(grant);
    expect(await planned(aServedGateway())).not.toContain(grant);
  });

  test('says which devices have a preshared key, as if it were there', async () => {
    const status = { presharedKeyVersion: 'version-1' };
    const peer = aMember({ spec: { presharedKeySecretName: 'ada-psk' }, address: '10.213.0.20', status });
    const { stdout } = await sallyport(['plan', 'node-a', '-f', inFile(aServedGateway(), peer, node)]);
    expect(stdout).toContain(`peer ${peer.spec.publicKey} with preshared key allowed-ips 10.213.0.20/32`);
    expect(stdout).not.toContain('version-1');
  });

  test.each([
    ['a node that does not exist', 'node-z', [aServedGateway(), node], 'there is no node node-z; there is node-a'],
    [
      'a node that no gateway selects',
      'node-a',
      [aServedGateway({ spec: { nodeSelector: { edge: 'true' } } }), node],
      'no MeshGateway selects node node-a (looked at default)',
    ],
  ])('says so for %s', async (_what, name, objects, sentence) => {
    const { code, stderr } = await sallyport(['plan', name, '-f', inFile(...objects)]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: `sallyport: ${sentence}\n` });
  });

  test('says that a gateway which is not accepted changes nothing', async () => {
    const { stdout } = await sallyport(['plan', 'node-a', '-f', inFile(aGateway(), node)]);
    expect(stdout).toContain('MeshGateway default is not accepted by the operator');
  });
});

describe('the command line', () => {
  test.each([
    ['an unknown command', ['joni'], 2],
    ['a wrong option', ['plan', 'node-a', '--underlay-mtu', '9'], 2],
    ['help', ['--help'], 0],
    ['no cluster', ['plan', 'node-a'], 1],
  ])('%s ends with its exit code and without a stack', async (_what, words, code) => {
    const run = await sallyport(words);
    expect(run.code).toBe(code);
    expect(run.stderr).not.toMatch(/^ {4}at /m);
  });
});

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../../scripts/build.ts';
import { isTrue } from '../../src/api/conditions.ts';
import { namespaceType, serviceType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { SmallMesh } from '../support/small-mesh.ts';

const HTTP = { name: 'http', port: 80, protocol: 'TCP' };
const DNS = { name: 'dns', port: 53, protocol: 'UDP' };

let folder: string;
let mesh: SmallMesh;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-access-'));
  await buildProgram('cli', folder);
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.client.create(namespaceType, { metadata: { name: 'team-a' } });
  await mesh.client.create(serviceType, {
    metadata: { name: 'web', namespace: 'team-a' },
    spec: { clusterIPs: ['10.96.0.20'], ports: [HTTP, DNS] },
  });
  await mesh.addGateway({ access: { default: 'Deny' } });
  await mesh.until(meshGatewayType, 'default' as ObjectKey, ({ status }) =>
    isTrue(status?.conditions ?? [], 'Accepted'),
  );
  for (const name of ['ada', 'bob']) {
    await mesh.addPeer(name);
    await mesh.untilPeer(name, ({ status }) => isTrue(status?.conditions ?? [], 'Accepted'));
  }
  await mesh.addAccess('ada', { from: [{ names: ['ada'] }], to: [{ names: ['web'], ports: [{ name: 'http' }] }] });
  writeFileSync(join(folder, 'kubeconfig'), mesh.server.kubeconfig());
});

afterAll(async () => {
  await mesh?.stop();
  rmSync(folder, { recursive: true });
});

async function access(...words: readonly string[]) {
  const argv = [join(folder, 'cli.mjs'), 'access', ...words, '--kubeconfig', join(folder, 'kubeconfig')];
  const child = spawn(process.execPath, argv, { env: { HOME: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await closed, stdout, stderr };
}

describe('sallyport access explain', () => {
  test('says yes, and by which object', async () => {
    expect(await access('explain', 'team-a/ada', 'web.team-a:80')).toEqual({
      code: 0,
      stdout: 'yes  team-a/ada to web.team-a port 80/TCP through default: Granted by MeshAccess team-a/ada.\n',
      stderr: '',
    });
  });

  test('says no, and whom to ask', async () => {
    const { code, stdout } = await access('explain', 'team-a/bob', 'web.team-a.svc.cluster.local:http');
    expect(code).toBe(3);
    expect(stdout).toMatch(
      /^no +team-a\/bob .* ask the owner of namespace team-a\. MeshAccess team-a\/ada opens it to/,
    );
  });

  test('asks about every port of a Service, and is a no when one is shut', async () => {
    const { code, stdout } = await access('explain', 'team-a/ada', 'web.team-a', '-o', 'json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      peer: 'team-a/ada',
      service: 'team-a/web',
      ports: [
        { port: 80, protocol: 'TCP', gateways: [{ gateway: 'default', isAllowed: true }] },
        { port: 53, protocol: 'UDP', gateways: [{ gateway: 'default', isAllowed: false }] },
      ],
    });
  });

  test.each([
    ['a device that is not there', 'team-a/eve', 'web.team-a', 'there is no MeshPeer team-a/eve'],
    ['a Service that is not there', 'team-a/ada', 'shop.team-a', 'there is no Service shop in namespace team-a'],
    ['a port that is not there', 'team-a/ada', 'web.team-a:81', 'has no port 81; it has 80/TCP (http), 53/UDP (dns)'],
    ['what is no Service', 'team-a/ada', 'web', '"web" is not NAME.NAMESPACE'],
  ])('names %s', async (_what, peer, service, sentence) => {
    const { code, stdout, stderr } = await access('explain', peer, service);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(sentence);
  });
});

describe('sallyport access matrix', () => {
  test('lists what is granted, a line each', async () => {
    const { code, stdout } = await access('matrix');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['PEER', 'GATEWAY', 'SERVICE', 'PORT', 'BECAUSE OF'],
      ['team-a/ada', 'default', 'team-a/web', '80/tcp', 'MeshAccess team-a/ada'],
      [''],
    ]);
  });
});

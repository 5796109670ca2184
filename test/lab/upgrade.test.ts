import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { inProject } from '../../scripts/support/paths.ts';
import { because } from '../support/because.ts';
import { startCluster } from './cluster.ts';
import { type EarlierVersion, earlierVersion, historyProblem } from './earlier-version.ts';
import { type Device, Mesh, RELEASE, until } from './mesh.ts';
import type { LabNode } from './node.ts';
import { nodeKernels } from './node-kernels.ts';
import { SALLYPORT_IMAGE, sallyportImage } from './sallyport-image.ts';
import { askSoonAndLong, Traffic } from './traffic.ts';

/**
 * An upgrade under traffic from the version before this one, and back. Kernel WireGuard loses nothing. On nodes of wireguard-go a
 * session ends with the agent that is replaced; a stock client shakes hands anew 15 s after its last answer, a loaded machine may
 * take a little longer.
 */
const STOCK_CLIENT_S = 25;
const AGENTS = 'sallyport-default';
const OPERATOR = 'sallyport-operator';
const CRDS = ['meshpeers', 'meshgateways', 'meshgatewaynodes'] as const;

/** The sources may have come without their history; the workflow's checkout has it (workflows.test.ts). */
const problem = await historyProblem();
if (problem !== undefined) console.warn(`SKIPPED upgrade: ${problem}`);

interface Member {
  readonly device: Device;
  readonly traffic: Traffic;
  readonly node: LabNode;
}

interface Version {
  readonly chart: string;
  readonly crds: string;
  readonly image: { readonly repository: string; readonly tag: string };
}

const THIS: Version = { chart: inProject('charts/sallyport'), crds: inProject('crds'), image: SALLYPORT_IMAGE };
const measured: string[] = [];
let earlier: EarlierVersion;
let mesh: Mesh;
let members: readonly Member[];

describe.skipIf(problem !== undefined)(`with laptops connected and traffic running${because(problem)}`, () => {
  beforeAll(async () => {
    earlier = await earlierVersion();
    measured.push(`upgrade from ${earlier.subject}`);
    mesh = new Mesh(await startCluster({ name: 'upgrade', nodes: nodeKernels('mixed') }));
    const { cluster } = mesh;
    const archives = [await earlier.archive(cluster.tools), await sallyportImage(cluster.tools)];
    await Promise.all(archives.map((archive) => cluster.loadImage(archive)));
    const chart = join(earlier.folder, 'charts/sallyport');
    await helm('install', chart, earlier.image, '--create-namespace');
    await Promise.all([
      mesh.untilGateway('default', 'Ready'),
      mesh.addWorkloads(cluster.nodes.map(({ name }) => name)),
    ]);
    members = [await connect('ada', 'node-1'), await connect('bob', 'node-2')];
  });

  afterAll(async () => {
    await Promise.all((members ?? []).map(({ traffic }) => traffic.stop()));
    await Promise.all([mesh?.cluster.stop(), earlier?.remove()]);
    console.log(measured.join('\n'));
  });

  test('`helm upgrade` from the version before: definitions, operator and agents are replaced, devices keep their addresses', async () => {
    const before = await allocations();
    await measure('upgrade', () => helm('upgrade', THIS.chart, THIS.image, '--reset-then-reuse-values'), THIS);
    expect(await allocations()).toEqual(before);
    await serves('new', THIS);
  });

  test('`helm rollback`: the version before serves again, devices keep their addresses', async () => {
    const before = await allocations();
    const version = { chart: '', crds: join(earlier.folder, 'crds'), image: earlier.image };
    const place = ['-n', RELEASE.namespace];
    await measure('rollback', () => mesh.cluster.helm(['rollback', RELEASE.name, '1', ...place]), version);
    expect(await allocations()).toMatchObject(before);
    await serves('newer', version);
  });
});

/** Runs Helm, waits until nothing of another version runs, and notes what the laptops lost meanwhile. */
async function measure(what: string, change: () => Promise<string>, version: Version): Promise<void> {
  const before = Date.now();
  await Promise.all(members.map(({ traffic }) => traffic.answerAfter(before)));
  const began = Date.now();
  await change();
  await Promise.all([untilRolled('deployment', OPERATOR, version), untilRolled('daemonset', AGENTS, version)]);
  const rolled = Date.now();
  measured.push(`${what}: operator and agents replaced after ${((rolled - began) / 1000).toFixed(1)} s`);
  await Promise.all(members.map(({ traffic }) => traffic.answerAfter(rolled, STOCK_CLIENT_S)));
  for (const { device, traffic, node } of members) {
    const { sent, lost } = traffic.lossAfter(before);
    const pause = (traffic.longestGap(began, Date.now()) / 1000).toFixed(1);
    const kernel = node.kernel === 'own' ? 'kernel WireGuard' : 'wireguard-go';
    const loss = `lost ${lost} of ${sent} datagrams, the longest pause was ${pause} s`;
    measured.push(`${what}: ${device.name}, on a node with ${kernel}, ${loss}`);
    // The kernel goes on without an agent, and the next one adopts what it finds.
    if (node.kernel === 'own') expect(lost, loss).toBe(0);
  }
}

/** Everything is Ready and judged as it is now, the definitions are this version's, and a new device is let in. */
async function serves(device: string, version: Version): Promise<void> {
  const { metadata, status } = await mesh.untilGateway('default', 'Ready');
  for (const { type, observedGeneration } of status?.conditions ?? [])
    expect(observedGeneration, type).toBe(metadata?.generation);
  await mesh.untilPeer(await mesh.addDevice(device), 'Programmed');
  for (const name of CRDS) {
    const file = parse(await readFile(join(version.crds, `${name}.yaml`), 'utf8'));
    const crd = JSON.parse(await mesh.cluster.kubectl(['get', 'crd', `${name}.sallyport.dev`, '-o', 'json']));
    expect(crd.spec.versions[0].schema, name).toEqual(file.spec.versions[0].schema);
  }
}

async function untilRolled(kind: 'deployment' | 'daemonset', name: string, { image }: Version): Promise<void> {
  const wanted = `${image.repository}:${image.tag}`;
  const place = ['-n', RELEASE.namespace];
  const look = () =>
    mesh.cluster.kubectl([
      ...[...place, 'get', kind, name],
      ...['-o', 'jsonpath={.spec.template.spec.containers[0].image}'],
    ]);
  await until(`${kind} ${name} of image ${wanted}`, look, (seen) => seen === wanted);
  await mesh.cluster.kubectl([...place, 'rollout', 'status', `${kind}/${name}`, '--timeout=100s']);
}

/** What was decided once and for all. */
async function allocations(): Promise<Readonly<Record<string, string>>> {
  const each = 'jsonpath={range .items[*]}{.metadata.name} {.status.addresses}{"\\n"}{end}';
  const peers = (await mesh.cluster.kubectl(['get', 'meshpeers', '-A', '-o', each])).trim().split('\n');
  const publicKey = ['get', 'meshgateway', 'default', '-o', 'jsonpath={.status.publicKey}'];
  return {
    ...Object.fromEntries(peers.map((line) => [line.split(' ')[0] ?? '', line])),
    gateway: await mesh.cluster.kubectl(publicKey),
  };
}

async function connect(name: string, gateway: string): Promise<Member> {
  const [laptop, device] = [await mesh.cluster.addLaptop(name), await mesh.addDevice(name)];
  await askSoonAndLong(laptop);
  const node = mesh.cluster.node(gateway);
  await mesh.join(laptop, device, node.address);
  const traffic = new Traffic(laptop, 'datagrams', await mesh.serviceAddress('hello-node-2'));
  await traffic.answerAfter(0);
  return { device, traffic, node };
}

function helm(
  verb: 'install' | 'upgrade',
  chart: string,
  image: Version['image'],
  ...more: readonly string[]
): Promise<string> {
  const set = ['--set', `image.repository=${image.repository}`, '--set', `image.tag=${image.tag}`];
  return mesh.cluster.helm([verb, RELEASE.name, chart, '-n', RELEASE.namespace, ...set, ...more]);
}

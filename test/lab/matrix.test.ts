import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { isTrue } from '../../src/api/conditions.ts';
import { API_VERSION } from '../../src/api/names.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { flowsOn } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { BACKENDS, type Backend, needsOwnKernel, SETTINGS, type Setting, TOUR } from './matrix/axes.ts';
import { cellsIn, cellsText, linesWithout, type Row, settingName, WORKS, withCells } from './matrix/table.ts';
import { ADVERTISED, addBackends, targets, tried } from './matrix/targets.ts';
import { VERSIONS } from './matrix/versions.ts';
import { curl, type Device, Mesh, udpEcho, until } from './mesh.ts';
import { nodeKernels } from './node-kernels.ts';

/** The main job in every setting, as the table of docs/compatibility.md. To write the table anew: SALLYPORT_WRITE_DOCS=1. */

/** The node with a kernel of its own, and two that share the machine's. */
const [OWN, SHARED, OTHER] = ['node-1', 'node-2', 'node-3'] as const;
const [FIRST_KERNEL = 'shared'] = nodeKernels('mixed');
const UNABLE = SETTINGS.filter((setting) => FIRST_KERNEL !== 'own' && needsOwnKernel(setting));
const ABLE = TOUR.filter((setting) => !UNABLE.map(settingName).includes(settingName(setting)));
/** A gateway node bears this label, so that from setting to setting only those pods come and go that must. */
const GATEWAY_HERE = 'lab.sallyport.dev/gateway';
const DOCUMENT = inProject('docs/compatibility.md');

const rows = new Map<string, Row>(UNABLE.map((setting) => [settingName(setting), 'needs a kernel of its own']));
let cluster: Cluster;
let mesh: Mesh;
let laptop: Laptop;
let device: Device;
let joined = false;

beforeAll(async () => {
  cluster = await startCluster({ name: 'matrix', nodes: [FIRST_KERNEL, 'shared', 'shared'] });
  mesh = new Mesh(cluster);
  await Promise.all([install(), addBackends(mesh, [OWN, SHARED, OTHER])]);
  laptop = await cluster.addLaptop('ada');
  device = await mesh.addDevice('ada');
});

afterAll(() => cluster?.stop());

describe.each(ABLE)('kube-proxy $proxyMode, $dataPlane WireGuard, $gateways gateway nodes', (setting) => {
  const name = settingName(setting);
  const entry = entryOf(setting);

  beforeAll(() => become(setting));

  test.each(Object.keys(BACKENDS) as Backend[])(`${name}: backends of the kind "%s" answer`, async (backend) => {
    const cell = await tried(laptop, targets(backend, entry, entry === OWN ? SHARED : OTHER));
    rows.set(name, { ...(rows.get(name) as Exclude<Row, string> | undefined), [backend]: cell });
    expect(cell).toEqual({ TCP: WORKS, UDP: WORKS, '10 MB': WORKS });
  });
});

/*
 * There a cluster IP is an address of the node: what is dialled comes to input, untranslated, and every port of the node listens behind it.
 * The last setting is one of ipvs.
 */
test.skipIf(UNABLE.some(({ proxyMode }) => proxyMode === 'ipvs'))(
  'behind kube-proxy in ipvs mode, a gateway that denies by default lets in what is granted, and nothing else',
  async () => {
    expect((await mesh.gatewayNode('default', OWN)).status?.proxyMode).toBe('ipvs');
    const [address = ''] = (await mesh.peer(device)).status?.addresses ?? [];
    const [granted, other, local] = [`hello-${OWN}`, `hello-${SHARED}`, `host-${OWN}`];
    const tcp = (service: string, port = 80) => curl(laptop, `http://${service}.demo.svc.cluster.local:${port}/`, 3);
    const isToService = (line: string) => line.includes('dport=80 ');
    const isOpen = async (service: string) => (await tcp(service)).status === 200;
    await mesh.patchGateway('default', { access: { default: 'Deny' } });
    await until(
      'a refusal',
      () => isOpen(granted),
      (open) => !open,
    );
    await mesh.apply(opening([granted, `host-${SHARED}`]));
    await until(
      'a grant',
      () => isOpen(granted),
      (open) => open,
    );
    expect(await udpEcho(laptop, `${granted}.demo.svc.cluster.local`)).toBe('ping');
    expect(await isOpen(`host-${SHARED}`)).toBe(true);
    const shut = [
      [other, 80],
      [local, 80],
      [granted, 10250],
      [granted, 22],
    ] as const;
    // curl says 7 for a refusal, and 28 for silence.
    for (const [service, port] of shut)
      expect((await tcp(service, port)).error, `${service}:${port}`).toMatch(/^curl: \(7\)/);
    await expect(udpEcho(laptop, `${other}.demo.svc.cluster.local`)).rejects.toThrow();
    // What was opened while connections from before the refusal were being ended may have ended with them.
    await until(
      'a connection',
      async () => ((await isOpen(granted)) ? flowsOn(cluster.node(OWN), address) : []),
      (flows) => flows.some(isToService),
    );
    await cluster.kubectl(['-n', 'demo', 'delete', 'meshaccesses.sallyport.dev', 'ipvs']);
    await until(
      'an end',
      () => isOpen(granted),
      (open) => !open,
    );
    await until(
      'its connections',
      () => flowsOn(cluster.node(OWN), address),
      (flows) => !flows.some(isToService),
    );
  },
);

test('docs/compatibility.md says what was seen', async () => {
  const document = await readFile(DOCUMENT, 'utf8');
  const seen = cellsText(VERSIONS, rows);
  console.log(seen);
  if (process.env.SALLYPORT_WRITE_DOCS === '1') await writeFile(DOCUMENT, withCells(document, seen));
  else expect(linesWithout(cellsIn(document), UNABLE)).toEqual(linesWithout(seen, UNABLE));
});

function entryOf(setting: Setting): string {
  return needsOwnKernel(setting) ? OWN : SHARED;
}

/** A grant of Services to every device. */
function opening(names: readonly string[]): object {
  const from = [{ namespaces: { selector: {} } }];
  const metadata = { name: 'ipvs', namespace: 'demo' };
  return { apiVersion: API_VERSION, kind: 'MeshAccess', metadata, spec: { from, to: [{ names }] } };
}

/** Every node is a gateway at first, and none takes another one's devices over. */
async function install(): Promise<void> {
  await labelled([OWN, SHARED, OTHER]);
  const label = GATEWAY_HERE.replaceAll('.', '\\.');
  // What is tried is tried by the node that the laptop dials.
  const stays = 'gateway.spec.takeover.enabled=false';
  await mesh.install([
    `gateway.spec.advertise.cidrs={${ADVERTISED}}`,
    `gateway.spec.nodeSelector.${label}=here`,
    stays,
  ]);
}

/** Makes these nodes the gateway's. */
async function labelled(nodes: readonly string[]): Promise<void> {
  for (const { name } of cluster.nodes)
    await cluster.kubectl([
      ...['label', 'node', name, '--overwrite'],
      nodes.includes(name) ? `${GATEWAY_HERE}=here` : `${GATEWAY_HERE}-`,
    ]);
}

async function become(setting: Setting): Promise<void> {
  const { proxyMode, dataPlane, gateways } = setting;
  const entry = entryOf(setting);
  if (joined) await mesh.leave(laptop);
  joined = false;
  await Promise.all([
    ...cluster.nodes.map(({ name }) => proxied(name, proxyMode)),
    // Otherwise a node forwards with what it has.
    mesh.patchGateway('default', {
      dataplane: dataPlane === 'userspace' && entry === OWN ? 'Userspace' : 'Auto',
    }),
    labelled(gateways === 1 ? [entry] : [OWN, SHARED, OTHER]),
  ]);
  await until(
    settingName(setting),
    async () => ({ gateway: await mesh.gateway(), node: await mesh.gatewayNode('default', entry) }),
    ({ gateway: { metadata, status }, node }) =>
      status?.observedGeneration === metadata.generation &&
      status?.nodes?.selected === gateways &&
      status.nodes.ready === gateways &&
      node.status?.gatewayGeneration === metadata.generation &&
      node.status?.dataplane?.toLowerCase() === dataPlane &&
      node.status.proxyMode === proxyMode &&
      isTrue(node.status.conditions ?? [], 'ServicesReachable'),
    90,
  );
  await mesh.join(laptop, device, cluster.node(entry).address);
  joined = true;
}

const modes = new Map<string, string>();

/** Nodes without ip_vs keep the mode before it: the laptop dials another one then. */
async function proxied(name: string, mode: Setting['proxyMode']): Promise<void> {
  if (mode === (modes.get(name) ?? 'nftables') || (mode === 'ipvs' && name !== OWN)) return;
  await cluster.node(name).setKubeProxyMode(mode);
  modes.set(name, mode);
}

import { afterAll, beforeAll, expect, test } from 'vitest';
import { killApiServer } from '../faults/killed-program.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type Footprint, footprint, withoutServiceProxy } from './footprint.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, Mesh, must, RELEASE, until } from './mesh.ts';
import { nodeKernels } from './node-kernels.ts';

const NODES = ['node-1', 'node-2'];
const LABEL = 'example.com/gateway';
/** The operator stays off node-2, where its pods' cables would come and go. */
const VALUES = [
  'gateway.spec.nodeSelector.example\\.com/gateway=yes',
  'operator.nodeSelector.kubernetes\\.io/hostname=node-1',
];
const HELD = 'example.com/held';
const FINALIZERS = ['patch', 'meshgateway', 'default', '--type=json', '-p'];
const HELLO = 'http://hello-node-1.demo.svc.cluster.local';

let cluster: Cluster;
let mesh: Mesh;
let laptop: Laptop;
let device: Device;
let address: string;
const before = new Map<string, Footprint>();

beforeAll(async () => {
  cluster = await startCluster({ name: 'uninstall', nodes: nodeKernels('userspace') });
  mesh = new Mesh(cluster);
  await cluster.kubectl(['label', 'node', ...NODES, `${LABEL}=yes`]);
  laptop = await cluster.addLaptop('ada');
  await mesh.addWorkloads(NODES);
  for (const name of NODES) before.set(name, await settledFootprint(name));
  await install(VALUES);
  device = await mesh.addDevice('ada');
  await join();
});

afterAll(() => cluster?.stop());

test('a node that is no longer selected is as before, while the others go on', async () => {
  await bothServe();
  expect(await footprint(cluster.node('node-2'))).not.toEqual(before.get('node-2'));
  await cluster.kubectl(['label', 'node', 'node-2', `${LABEL}-`]);
  await untilAsBefore('node-2');
  expect((await curl(laptop, HELLO)).status).toBe(200);
  const { status } = await mesh.untilGateway('default', 'Ready');
  expect(status?.nodes).toEqual({ selected: 1, ready: 1 });
  await cluster.kubectl(['label', 'node', 'node-2', `${LABEL}=yes`]);
  await bothServe();
});

test('an uninstallation leaves every node as it was before', async () => {
  const { said, seconds } = await mesh.uninstall();
  console.log(`helm uninstall: ${seconds.toFixed(1)} s\n${said}`);
  expect(said).toContain('No MeshGateway is left');
  expect(said).not.toContain('did not clean up');
  await untilAllAsBefore();
  expect((await curl(laptop, HELLO, 2)).status).toBe(0);
});

test('a new installation gives the devices that stayed their addresses back', async () => {
  await mesh.leave(laptop);
  await install(VALUES);
  const remembered = address;
  await join();
  expect(address).toBe(remembered);
  expect((await curl(laptop, HELLO)).status).toBe(200);
});

test('an uninstallation while the API server is killed and comes back leaves every node as it was before', async () => {
  // A gateway may be gone a moment after its deletion, so it is held until the API server was killed.
  await cluster.kubectl([...FINALIZERS, `[{"op":"add","path":"/metadata/finalizers/-","value":"${HELD}"}]`]);
  // Helm gives up where it asks at the wrong moment; then it is asked again.
  const uninstalled = mesh.uninstall().catch(async (error: Error) => {
    console.log(`helm uninstall, in vain: ${error.message}`);
    return mesh.uninstall();
  });
  await until(
    'the gateway to be deleted',
    () => mesh.gateway(),
    ({ metadata }) => metadata.deletionTimestamp !== undefined,
  );
  const start = await killApiServer(cluster);
  await start();
  await until(
    'Sallyport to let it go',
    () => mesh.gateway(),
    ({ metadata }) => metadata.finalizers?.join() === HELD,
  );
  await cluster.kubectl([...FINALIZERS, '[{"op":"remove","path":"/metadata/finalizers/0"}]']);
  const { said, seconds } = await uninstalled;
  console.log(`helm uninstall while the API server was restarted: ${seconds.toFixed(1)} s\n${said}`);
  expect(said).not.toContain('did not clean up');
  await untilAllAsBefore();
});

test('an uninstallation after somebody deleted the definitions', async () => {
  await install(VALUES);
  const kinds = ['meshpeers', 'meshgateways', 'meshgatewaynodes', 'meshaccesses', 'clustermeshaccesses'].map(
    (plural) => `${plural}.sallyport.dev`,
  );
  await cluster.kubectl(['delete', 'crd', ...kinds, '--timeout=60s']);
  const { said, seconds } = await mesh.uninstall();
  console.log(`helm uninstall without definitions: ${seconds.toFixed(1)} s\n${said}`);
  expect(said).toContain('No MeshGateway is left');
  await untilAllAsBefore();
});

test('an uninstallation without an operator ends at its deadline, with clean nodes', async () => {
  await install([...VALUES, 'cleanup.deadlineSeconds=10']);
  await mesh.scale('sallyport-operator', 0);
  const { said, seconds } = await mesh.uninstall();
  console.log(`helm uninstall without operator: ${seconds.toFixed(1)} s\n${said}`);
  expect(said).toContain('its finalizer was removed');
  expect(said).not.toContain('did not clean up');
  expect(seconds).toBeLessThan(40);
  await untilAllAsBefore();
});

test('an uninstallation after a node is gone ends, and names what may be left there', async () => {
  await install([...VALUES, 'cleanup.deadlineSeconds=30']);
  await bothServe();
  await cluster.node('node-2').kill();
  const { said, seconds } = await mesh.uninstall();
  console.log(`helm uninstall with a dead node: ${seconds.toFixed(1)} s\n${said}`);
  expect(said).toMatch(
    /Node node-2 did not clean up .* ip link delete wg-default; nft delete table inet sallyport_default/,
  );
  expect(said).not.toContain('Node node-1');
  expect(seconds).toBeLessThan(90);
  // By now the cluster may know that node-2's pods are gone, and kube-proxy with it.
  await untilAsBefore('node-1', withoutServiceProxy);
}, 240_000);

async function bothServe(): Promise<void> {
  await until(
    'both nodes serve',
    () => mesh.gateway(),
    ({ status }) => status?.nodes?.ready === 2,
  );
}

async function install(values: readonly string[]): Promise<void> {
  // Helm takes the operator's rights before the operator, which so cannot give up its Lease: the next one would wait 15 s for its end.
  await cluster.kubectl(['-n', RELEASE.namespace, 'delete', 'lease', 'sallyport-operator', '--ignore-not-found']);
  const began = performance.now();
  await mesh.install(values);
  console.log(`helm install until Ready: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/** Once kube-proxy there has followed everything, and the kernel has found the pods' cables' addresses of IPv6 to be theirs alone. */
async function settledFootprint(name: string): Promise<Footprint> {
  const node = cluster.node(name);
  for (const backend of NODES) await mesh.untilProxied(`hello-${backend}`, node);
  await until(
    `${name} has no tentative address`,
    () => node.exec(['ip', '-6', 'address', 'show', 'tentative']),
    ({ code, stdout }) => code === 0 && stdout === '',
  );
  return footprint(node);
}

async function join(): Promise<void> {
  await mesh.join(laptop, device);
  address = (await mesh.peer(device)).status?.addresses?.[0] ?? '';
  expect(must(await laptop.exec(['ip', '-br', 'address', 'show', 'dev', 'mesh']))).toContain(address);
}

async function untilAllAsBefore(): Promise<void> {
  await until(
    'the end of all pods',
    () => mesh.podNames(),
    (names) => names.length === 0,
  );
  for (const name of NODES) await untilAsBefore(name);
}

/** A pod's cable goes a moment after the pod itself. */
async function untilAsBefore(name: string, part = (whole: Footprint) => whole): Promise<void> {
  const expected = before.get(name);
  if (expected === undefined) throw new Error(`${name} was not looked at before`);
  const look = async () => part(await footprint(cluster.node(name)));
  await expect.poll(look, { timeout: 30_000, interval: 250 }).toEqual(part(expected));
}

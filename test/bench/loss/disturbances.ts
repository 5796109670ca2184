import { setTimeout as delay } from 'node:timers/promises';
import { meshGatewayType } from '../../../src/api/meshgateway.ts';
import { agentOf, DEVICE, peersOn, wgOn } from '../../lab/gateway-node.ts';
import { type Device, type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import type { BenchMesh } from '../mesh/bench-mesh.ts';

const NOOP_S = 60;
const NOOP_EVERY_MS = 100;
const UNRELATED = 1_000;
const ADDRESS_CHANGES = 20;
const PLACE = ['-n', RELEASE.namespace];
const AGENTS = 'sallyport-default';

/** Where things happen. */
export interface Scene {
  readonly bench: BenchMesh;
  /** The gateway that the flow passes, on kernel WireGuard. */
  readonly node: LabNode;
  /** Two devices that the flow has nothing to do with. */
  readonly others: readonly [Device, Device];
}

/** Something that happens, which a running flow does not concern. */
export interface Disturbance {
  readonly row: string;
  /** Completes "lost while …". */
  readonly says: string;
  /** Resolves once it is over and all is as it should be; a text adds to what is said. */
  act(scene: Scene): Promise<unknown>;
}

export const DISTURBANCES: readonly Disturbance[] = [
  {
    row: 'lost_noop',
    says: `while for ${NOOP_S} s the gateway's spec is changed again and again, at most every ${NOOP_EVERY_MS} ms, in a field that concerns no node, so that operator and agents reconcile and find nothing to do`,
    act: reconcileInVain,
  },
  {
    row: 'lost_agent_restart',
    says: 'while the agent is killed and another one comes up in its place',
    act: killAgent,
  },
  { row: 'lost_rollout', says: 'while the DaemonSet is rolled', act: roll },
  {
    row: 'lost_operator_failover',
    says: 'while the pod of the leading operator is deleted by force and another one has taken over and let a device in',
    act: failOver,
  },
  { row: 'lost_unrelated_1000', says: `while ${UNRELATED} other MeshPeers come and go`, act: comeAndGo },
  {
    row: 'lost_allowedips_change',
    says: `while AllowedIPs of two other peers are changed ${ADDRESS_CHANGES} times, every other time to those that the other one had before`,
    act: moveAddresses,
  },
];

/** Another name for the gateway changes the devices' configuration and nothing on its nodes. */
async function reconcileInVain({ bench }: Scene): Promise<string> {
  const end = performance.now() + NOOP_S * 1000;
  let turn = 0;
  for (; performance.now() < end; turn += 1) {
    const next = delay(NOOP_EVERY_MS);
    const endpoint = { hosts: [`gateway-${turn % 2}.example`] };
    await bench.client.patch(meshGatewayType, { name: 'default' }, { spec: { endpoint } });
    await next;
  }
  return `${turn} times`;
}

async function killAgent({ bench: { mesh }, node }: Scene): Promise<void> {
  const before = (await agentOf(node)) ?? '';
  must(await node.exec(['kill', '-KILL', before]));
  await until(
    'another agent',
    () => agentOf(node),
    (now) => now !== undefined && now !== before,
  );
  await untilRolledOut(mesh);
}

async function roll({ bench: { mesh } }: Scene): Promise<void> {
  await mesh.cluster.kubectl([...PLACE, 'rollout', 'restart', `daemonset/${AGENTS}`]);
  await untilRolledOut(mesh);
}

async function untilRolledOut({ cluster }: Mesh): Promise<void> {
  await cluster.kubectl([...PLACE, 'rollout', 'status', `daemonset/${AGENTS}`, '--timeout=180s']);
}

async function failOver({ bench: { mesh } }: Scene): Promise<void> {
  const leader = () =>
    mesh.cluster.kubectl([...PLACE, 'get', 'lease', 'sallyport-operator', '-o', 'jsonpath={.spec.holderIdentity}']);
  const before = await leader();
  await mesh.cluster.kubectl([...PLACE, 'delete', 'pod', before, '--force', '--grace-period=0']);
  await until('another leader', leader, (now) => now !== '' && now !== before);
  await mesh.untilPeer(await mesh.addDevice('let-in-by-the-other'), 'Programmed');
}

async function comeAndGo({ bench, node }: Scene): Promise<void> {
  const before = await peersOn(node);
  await bench.ready(bench.made + UNRELATED);
  await bench.removePeers();
  await until(
    'the peers of before',
    () => peersOn(node),
    (now) => now.length === before.length,
  );
}

async function moveAddresses({ bench: { mesh }, node, others: [first, second] }: Scene): Promise<void> {
  const hold = async (device: Device, address: string) => {
    await mesh.patchDevice(device, { addresses: [address] });
    await until(
      `${address} of ${device.name} on ${node.name}`,
      () => wgOn(node, ['show', DEVICE, 'allowed-ips']),
      (shown) => shown.includes(`${device.keys.publicKey}\t${address}/32`),
    );
  };
  for (let change = 0; change < ADDRESS_CHANGES; change += 2) {
    await hold(first, `10.213.200.${change + 2}`);
    await hold(second, `10.213.200.${change}`);
  }
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SITE } from './addresses.ts';
import { type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';
import { POLICY_TABLE, policyRules, portPolicySchema } from './policy-rules.ts';

const OWN = ['-n', RELEASE.namespace];
const OPERATOR = 'sallyport-operator';
/** Of an operator's pod, where its policy admits nobody. */
const ELSEWHERE = 9999;
const LISTENS = `require('http').createServer((_, answer) => answer.end()).listen(${ELSEWHERE})`;

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: { readonly podIP?: string };
}

let mesh: Mesh;
/** One that was started under the rules, with something that answers ELSEWHERE too. */
let operator: { readonly name: string; readonly address: string };

beforeAll(async () => {
  mesh = await startMesh('network-policy');
  await enforce();
  // Whose pods come now get addresses that the rules do not know as somebody else's.
  await mesh.cluster.kubectl([...OWN, 'rollout', 'restart', `deployment/${OPERATOR}`]);
  await mesh.cluster.kubectl([...OWN, 'rollout', 'status', `deployment/${OPERATOR}`, '--timeout=120s']);
  const [pod] = await operators();
  operator = { name: pod?.metadata.name ?? '', address: pod?.status.podIP ?? '' };
  // Ends with the cluster.
  void mesh.cluster.tryKubectl([...OWN, 'exec', operator.name, '--', 'node', '-e', LISTENS]);
  await until(
    'something to listen beside the operator',
    () => connection('127.0.0.1', ELSEWHERE),
    (outcome) => outcome === 'connected',
  );
});

afterAll(() => mesh?.cluster.stop());

async function pods(): Promise<readonly Pod[]> {
  return ((await mesh.cluster.get('/api/v1/pods')) as { readonly items: readonly Pod[] }).items;
}

const isOperator = ({ metadata }: Pod) => metadata.name.startsWith(`${OPERATOR}-`);

async function operators(): Promise<readonly Pod[]> {
  return (await pods()).filter((pod) => isOperator(pod) && pod.metadata.deletionTimestamp === undefined);
}

/** No plugin of the lab keeps to policies, so its nodes are given the rules that the operator's means. */
async function enforce(): Promise<void> {
  const path = `/apis/networking.k8s.io/v1/namespaces/${RELEASE.namespace}/networkpolicies/${OPERATOR}`;
  const { spec } = (await mesh.cluster.get(path)) as { readonly spec: unknown };
  const policy = portPolicySchema.parse(spec);
  const others = (await pods()).filter((pod) => !isOperator(pod)).flatMap(({ status }) => status.podIP ?? []);
  for (const [at, node] of mesh.cluster.nodes.entries()) {
    const input = policyRules(policy, SITE.nodePodCidr(at + 1), others);
    must(await node.exec(['nft', '-f', '-'], { input }));
  }
}

/** Packets that the rules have refused on all nodes. */
async function refused(counter: 'asked' | 'sent'): Promise<number> {
  let sum = 0;
  for (const node of mesh.cluster.nodes) {
    const told = must(await node.exec(['nft', 'list', 'counter', 'inet', POLICY_TABLE.name, counter]));
    sum += Number(/packets (\d+)/.exec(told)?.[1]);
  }
  return sum;
}

/** What becomes of a connection that a program in the operator's pod opens: `connected`, or what the kernel says. */
async function connection(host: string, port: number): Promise<string> {
  const script = `require('net').connect({ host: '${host}', port: ${port}, timeout: 5000 })
    .on('connect', () => { console.log('connected'); process.exit(); })
    .on('timeout', () => { console.log('timeout'); process.exit(); })
    .on('error', ({ code }) => console.log(code));`;
  const argv = [...OWN, 'exec', operator.name, '--', 'node', '-e', script];
  return (await mesh.cluster.kubectl(argv)).trim();
}

/** The status that another pod gets from a port of the operator's; 000 for none. */
async function answer(port: number, path = '/'): Promise<string> {
  const url = `http://${operator.address}:${port}${path}`;
  const curl = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '5', url];
  return (await mesh.cluster.tryKubectl(['-n', 'demo', 'exec', 'deployment/hello-node-1', '--', ...curl])).stdout;
}

describe('by rules that mean what its NetworkPolicy says,', () => {
  test('operators that start under them elect, let a device in, and begin nothing else', async () => {
    const device = await mesh.addDevice('ada');
    await mesh.untilPeer(device, 'Programmed');
    const holder = ['get', 'lease', OPERATOR, '-o', 'jsonpath={.spec.holderIdentity}'];
    const names = (await operators()).map(({ metadata }) => metadata.name);
    expect(names).toContain(await mesh.cluster.kubectl([...OWN, ...holder]));
    expect(await refused('sent')).toBe(0);
  });

  test('a pod may ask an operator for its health and its metrics, and for nothing else', async () => {
    expect(await answer(8081, '/readyz')).toBe('200');
    expect(await answer(9842, '/metrics')).toBe('200');
    expect(await refused('asked')).toBe(0);
    expect(await answer(ELSEWHERE)).toBe('000');
    expect(await refused('asked')).toBeGreaterThan(0);
  });

  test('another connection from an operator would be refused, and seen', async () => {
    expect(await connection(await mesh.serviceAddress('hello-node-1'), 80)).toBe('ECONNREFUSED');
    expect(await refused('sent')).toBeGreaterThan(0);
  });
});

test('without the rules both go through', async () => {
  for (const node of mesh.cluster.nodes) must(await node.exec(['nft', 'delete', 'table', 'inet', POLICY_TABLE.name]));
  expect(await connection(await mesh.serviceAddress('hello-node-1'), 80)).toBe('connected');
  expect(await answer(ELSEWHERE)).toBe('200');
});

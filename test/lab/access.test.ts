import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { API_VERSION } from '../../src/api/names.ts';
import { commandsIn } from '../scripts/markdown.ts';
import { auditLog } from './audit-log.ts';
import { type ExecResult, run, TIED } from './exec.ts';
import { flowsOn } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, type Mesh, must, startMesh, until } from './mesh.ts';
import { type ServicePort, scan, servicePorts } from './service-scan.ts';
import { askSoonAndLong, Traffic } from './traffic.ts';

/** Who tries later than this after kubectl's answer reaches what is granted, and not what is taken back; docs/access.md says so. */
const WITHIN_MS = 1000;
/** The same where kube-proxy has to learn of the change too, in milliseconds. */
const FOLLOWED_MS = 3000;
/** What is refused has a line in the audit log this long afterwards. */
const TOLD_MS = 12_000;
/** How long nothing may get through once a grant has ended. */
const SILENCE_MS = 2500;
const LIFETIME_S = 5;
const GATEWAY = '10.213.0.1';
const ACCESSES = `${meshAccessType.plural}.${meshAccessType.group}`;

interface Member {
  readonly laptop: Laptop;
  readonly device: Device;
  readonly address: string;
}

let mesh: Mesh;
let ada: Member;
let bob: Member;
let addresses: { readonly one: string; readonly two: string };
const measured: string[] = [];

beforeAll(async () => {
  mesh = await startMesh('access');
  await mesh.patchGateway('default', { access: { default: 'Deny' } });
  await mesh.untilGateway('default', 'Programmed');
  for (const name of ['team-a', 'team-b'])
    await mesh.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { team: name } } });
  const [one, two] = await Promise.all(['hello-node-1', 'hello-node-2'].map((name) => mesh.serviceAddress(name)));
  addresses = { one: one ?? '', two: two ?? '' };
  ada = await join('ada', 'team-a', 'node-1');
  bob = await join('bob', 'team-b', 'node-2');
});

afterAll(async () => {
  await mesh?.cluster.stop();
  console.log(`measured from kubectl’s answer, or from the moment of expiry:\n${measured.join('\n')}`);
});

async function join(name: string, namespace: string, gateway: string): Promise<Member> {
  const [laptop, device] = [await mesh.cluster.addLaptop(name), await mesh.addDevice(name, {}, namespace)];
  await askSoonAndLong(laptop);
  await mesh.join(laptop, device, mesh.cluster.node(gateway).address);
  const [address = ''] = (await mesh.peer(device)).status?.addresses ?? [];
  return { laptop, device, address };
}

/** Lets the devices of a team reach a Service; resolves with the time of kubectl's answer. */
async function grant(name: string, team: string, service: string, spec: object = {}): Promise<number> {
  const from = [{ namespaces: { selector: { matchLabels: { team } } } }];
  const metadata = { name, namespace: 'demo' };
  await mesh.apply({
    apiVersion: API_VERSION,
    kind: 'MeshAccess',
    metadata,
    spec: { from, to: [{ names: [service] }], ...spec },
  });
  return Date.now();
}

async function revoke(name: string): Promise<number> {
  await mesh.cluster.kubectl(['-n', 'demo', 'delete', ACCESSES, name]);
  return Date.now();
}

const isReached = async ({ laptop }: Member, address: string) =>
  (await curl(laptop, `http://${address}/`, 2)).status === 200;

function sallyport(...words: readonly string[]): Promise<ExecResult> {
  return run([...TIED, process.execPath, inProject('src/cli/main.ts'), ...words], {
    env: mesh.cluster.environment,
    cwd: inProject(),
  });
}

/** Has a shell run the line, as whoever's kubectl is used to that namespace types it. */
async function typeIn(namespace: string, line: string): Promise<void> {
  const kubectl = mesh.cluster.tools.path('kubectl');
  const typed = `kubectl() { '${kubectl}' --namespace ${namespace} "$@"; }; ${line}`;
  must(await run([...TIED, 'sh', '-c', typed], { env: mesh.cluster.environment }));
}

/** From when on it counts, and how long it may take; since now, and as docs/access.md says, unless told otherwise. */
interface Limit {
  readonly since?: number;
  readonly within?: number;
}

const untilReached = (member: Member, address: string, what: string, limit?: Limit) =>
  untilSo(what, limit, async () => isReached(member, address));
const untilRefused = (member: Member, address: string, what: string, limit?: Limit) =>
  untilSo(what, limit, async () => !(await isReached(member, address)));

async function untilSo(what: string, limit: Limit | undefined, look: () => Promise<boolean>): Promise<void> {
  const { since = Date.now(), within = WITHIN_MS } = limit ?? {};
  let notYet = since;
  const isSo = async () => {
    const began = Date.now();
    const so = await look();
    if (!so) notYet = began;
    return so;
  };
  await until(what, isSo, (yes) => yes);
  measured.push(`${what}: not yet ${notYet - since} ms after, and ${Date.now() - since} ms after it was so`);
  expect(notYet - since).toBeLessThan(within);
}

/** As docs/install.md says which of the chart's roles are part of Kubernetes' own; the controller manager puts them together. */
test.each([
  ['view', ['meshaccesses: get list watch', 'meshpeers: get list watch']],
  ['edit', ['meshaccesses: get list watch', 'meshpeers: get list watch']],
  [
    'admin',
    [
      'meshaccesses: create delete deletecollection get list patch update watch',
      'meshpeers: create delete get list patch update watch',
    ],
  ],
])('who has the built-in role %s in a namespace may do this there, and nothing elsewhere', async (role, rights) => {
  const user = `builtin-${role}`;
  await mesh.cluster.kubectl(['-n', 'demo', 'create', 'rolebinding', user, `--clusterrole=${role}`, `--user=${user}`]);
  const list = (namespace: string) =>
    mesh.cluster.kubectl(['auth', 'can-i', '--list', `--as=${user}`, '-n', namespace]);
  await until(
    `the rights of ${role}`,
    async () => oursIn(await list('demo')),
    (seen) => isDeepStrictEqual(seen, rights),
    10,
  );
  expect(oursIn(await list('team-a'))).toEqual([]);
});

/** The rights to our kinds in what `kubectl auth can-i --list` prints, a line each. */
function oursIn(text: string): readonly string[] {
  const verbs = new Map<string, readonly string[]>();
  for (const [, plural = '', list = ''] of text.matchAll(/^(\S+)\.sallyport\.dev +\[.*\] +\[([^\]]*)\]$/gm))
    verbs.set(plural, [...(verbs.get(plural) ?? []), ...list.split(' ')]);
  return [...verbs].map(([plural, found]) => `${plural}: ${[...new Set(found)].sort().join(' ')}`).sort();
}

describe('through gateways that deny by default', () => {
  test('nothing is reached but cluster DNS, and that is told at once', async () => {
    for (const member of [ada, bob])
      for (const address of Object.values(addresses)) {
        const began = Date.now();
        expect(await isReached(member, address)).toBe(false);
        expect(Date.now() - began).toBeLessThan(1500);
      }
    const answer = await ada.laptop.exec(['getent', 'hosts', 'hello-node-1.demo.svc.cluster.local']);
    expect(answer.stdout).toContain(addresses.one);
  });

  test('what is refused stands in the audit log of the node, with the device and the Service', async () => {
    const since = Date.now();
    expect(await isReached(bob, addresses.one)).toBe(false);
    const lines = await until(
      'the line',
      async () =>
        (await auditLog(mesh, 'agent')).filter((line) => line.event === 'connection' && line.peer?.name === 'bob'),
      (told) => told.some((line) => line.event === 'connection' && line.to.address === addresses.one),
    );
    const ms = Date.now() - since;
    measured.push(`refused: in the audit log after ${ms} ms`);
    expect(ms).toBeLessThan(TOLD_MS);
    expect(lines).toContainEqual(
      expect.objectContaining({
        verdict: 'denied',
        node: 'node-2',
        gateway: 'default',
        peer: expect.objectContaining({ namespace: 'team-b', name: 'bob' }),
        from: bob.address,
        to: { address: addresses.one, port: 80, service: { namespace: 'demo', name: 'hello-node-1' } },
        protocol: 'tcp',
      }),
    );
  });

  test('a team reaches what its grant names, and no other team does; kubectl and explain say the same', async () => {
    const since = await grant('team-a', 'team-a', 'hello-node-1');
    await untilReached(ada, addresses.one, 'granted', { since });
    expect(await isReached(ada, addresses.two)).toBe(false);
    expect(await isReached(bob, addresses.one)).toBe(false);
    const line = await until(
      'kubectl to show it',
      () => mesh.cluster.kubectl(['-n', 'demo', 'get', 'meshaccess', 'team-a']),
      (text) => /team-a +True +True +1 +1 +Resolved/.test(text),
    );
    const described = await mesh.cluster.kubectl(['-n', 'demo', 'describe', 'meshaccess', 'team-a']);
    expect(described.replace(/\s+/g, ' ')).toContain('1 device may reach 1 Service.');
    const yes = await sallyport('access', 'explain', 'team-a/ada', 'hello-node-1.demo:tcp');
    expect(yes.stdout).toContain('Granted by MeshAccess demo/team-a.');
    expect(yes.code).toBe(0);
    const no = await sallyport('access', 'explain', 'team-b/bob', 'hello-node-1.demo:tcp');
    expect(no.stdout).toContain('ask the owner of namespace demo. MeshAccess demo/team-a opens it to other devices.');
    expect(no.code).toBe(3);
    const matrix = await sallyport('access', 'matrix', '-o', 'json');
    expect(JSON.parse(matrix.stdout)).toEqual(
      ['80/tcp', '80/udp'].map((port) => ({
        peer: 'team-a/ada',
        gateway: 'default',
        service: 'demo/hello-node-1',
        port,
        by: ['MeshAccess demo/team-a'],
      })),
    );
    console.log(`${line}\n${yes.stdout}${no.stdout}`);
  });

  describe.each(['nftables', 'iptables'] as const)('with kube-proxy in %s mode, a scan of every Service', (mode) => {
    const scanned = async (isOpen: (port: ServicePort) => boolean) => {
      const ports = await servicePorts(mesh.cluster);
      const { open, silent, tried } = await scan(ada.laptop, ports, [GATEWAY]);
      measured.push(`scanned with kube-proxy in ${mode} mode: ${open.length} of ${tried} ports open`);
      const wanted = ports
        .filter((one) => isOpen(one) || (one.service === 'kube-system/kube-dns' && one.port === '53/tcp'))
        .map(({ port, address }) => `${port} ${address}`);
      expect(open).toEqual([...wanted, `51840/tcp ${GATEWAY}`].sort());
      expect(silent).toEqual([]);
    };
    const become = async (access: 'Allow' | 'Deny') => {
      await mesh.patchGateway('default', { access: { default: access } });
      await mesh.untilGateway('default', 'Programmed');
      expect(await isReached(ada, addresses.two)).toBe(access === 'Allow');
    };

    beforeAll(async () => {
      await mesh.cluster.node('node-1').setKubeProxyMode(mode);
      await until(
        `an agent that knows of ${mode} mode`,
        () => mesh.gatewayNode('default', 'node-1'),
        ({ status }) => status?.proxyMode === mode,
      );
    });

    afterAll(() => mesh.cluster.node('node-1').setKubeProxyMode('nftables'));

    test('reaches what `access matrix` lists, and nothing else', async () => {
      const listed: readonly { peer: string; service: string; port: string }[] = JSON.parse(
        (await sallyport('access', 'matrix', '-o', 'json')).stdout,
      );
      expect(listed).not.toEqual([]);
      await scanned(({ service, port }) =>
        listed.some((one) => one.peer === 'team-a/ada' && one.service === service && one.port === port),
      );
    });

    test('reaches each that has endpoints where the default is Allow, and nothing else', async () => {
      await become('Allow');
      try {
        // A datagram that is no question has no answer of cluster DNS.
        await scanned(({ isServed, port }) => isServed && port !== '53/udp');
      } finally {
        await become('Deny');
      }
    });
  });

  test('a grant that is taken back ends the connections that it let in, and no others', async () => {
    const since = await grant('both', 'team-a', 'hello-node-2');
    await untilReached(ada, addresses.two, 'granted, behind another node', { since });
    const ends = [
      new Traffic(ada.laptop, 'stream', addresses.two),
      new Traffic(ada.laptop, 'datagrams', addresses.two),
    ];
    const stays = [
      new Traffic(ada.laptop, 'stream', addresses.one),
      new Traffic(ada.laptop, 'datagrams', addresses.one),
    ];
    try {
      await Promise.all([...ends, ...stays].map((traffic) => traffic.answerAfter(Date.now())));
      const gone = await revoke('both');
      const { at, reason } = await (ends[0] as Traffic).untilClosed();
      measured.push(`taken back: the connection is told after ${at - gone} ms`);
      expect(reason).toBe('ECONNRESET');
      await delay(gone + SILENCE_MS - Date.now());
      for (const traffic of ends) expect(traffic.answersAfter(gone + 1000)).toEqual([]);
      expect(
        (await flowsOn(mesh.cluster.node('node-1'), ada.address)).filter((flow) =>
          flow.includes(`dst=${addresses.two}`),
        ),
      ).toEqual([]);
      for (const traffic of stays) expect(traffic.longestGap(gone, Date.now())).toBeLessThan(1000);
      expect(stays[0]?.closed).toBeUndefined();
    } finally {
      await Promise.all([...ends, ...stays].map((traffic) => traffic.stop()));
    }
  });

  test('a grant of the cluster holds as one of the namespace does', async () => {
    const from = [{ namespaces: { names: ['team-b'] } }];
    const to = [{ namespaces: { names: ['demo'] }, names: ['hello-node-2'] }];
    await mesh.apply({
      apiVersion: API_VERSION,
      kind: 'ClusterMeshAccess',
      metadata: { name: 'b' },
      spec: { from, to },
    });
    await untilReached(bob, addresses.two, 'granted by the cluster');
    const answer = await sallyport('access', 'explain', 'team-b/bob', 'hello-node-2.demo:tcp');
    expect(answer.stdout).toContain('Granted by ClusterMeshAccess b.');
    const line = () => mesh.cluster.kubectl(['get', 'clustermeshaccess', 'b']);
    await until('kubectl to show it', line, (text) => /b +True +True +1 +1 +Resolved/.test(text));
    await mesh.cluster.kubectl(['delete', 'clustermeshaccess', 'b']);
    await untilRefused(bob, addresses.two, 'taken back by the cluster');
  });

  test('a grant follows its Service to another port', async () => {
    const ports = (port: number) =>
      mesh.cluster.kubectl([
        '-n',
        'demo',
        'patch',
        'service',
        'hello-node-1',
        '--type=merge',
        '-p',
        JSON.stringify({
          spec: { ports: [{ name: 'tcp', port, targetPort: 8080, protocol: 'TCP' }] },
        }),
      ]);
    await ports(8081);
    const since = Date.now();
    await untilReached(ada, `${addresses.one}:8081`, 'followed to another port', { since, within: FOLLOWED_MS });
    await ports(80);
    await untilReached(ada, addresses.one, 'followed back', { within: FOLLOWED_MS });
  });

  test('a grant follows its Service to another cluster IP, when that is deleted and made again', async () => {
    const [place, what] = [
      ['-n', 'demo'],
      ['service', 'hello-node-1'],
    ];
    const { metadata, spec } = JSON.parse(await mesh.cluster.kubectl([...place, 'get', ...what, '-o', 'json']));
    const [{ name, namespace, labels }, { selector, ports }] = [metadata, spec];
    await mesh.cluster.kubectl([...place, 'delete', ...what]);
    const before = addresses.one;
    const anew = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels },
      spec: { selector, ports },
    };
    await mesh.apply(anew);
    const since = Date.now();
    const one = await mesh.serviceAddress(name);
    expect(one).not.toBe(before);
    await untilReached(ada, one, 'followed to another cluster IP', { since, within: FOLLOWED_MS });
    const asked = Date.now();
    expect(await isReached(ada, before)).toBe(false);
    expect(Date.now() - asked).toBeLessThan(1500);
    expect(await isReached(bob, one)).toBe(false);
    addresses = { ...addresses, one };
  });

  test('a grant to a group opens to the device that docs/access.md gives it, by the command that stands there', async () => {
    const typed = commandsIn(readFileSync(inProject('docs/access.md'), 'utf8'), 'sh test=access');
    expect(typed).toHaveLength(3);
    const laptop = await join('laptop', 'team-b', 'node-2');
    const from = [{ namespaces: { names: ['team-b'] }, groups: ['oncall'] }];
    await grant('oncall', '', 'hello-node-2', { from });
    expect(await isReached(laptop, addresses.two)).toBe(false);
    for (const line of typed) await typeIn('team-b', line);
    const since = Date.now();
    await untilReached(laptop, addresses.two, 'granted to a group', { since });
    expect(await isReached(bob, addresses.two)).toBe(false);
    expect((await mesh.peer(laptop.device)).spec).toMatchObject({
      owner: 'ada@example.com',
      groups: ['oncall'],
      expiresAt: '2030-01-31T18:00:00Z',
    });
    await revoke('oncall');
    await untilRefused(laptop, addresses.two, 'taken back from a group');
  });

  test('a grant by a selector follows the labels of a Service', async () => {
    const label = (text: string) => mesh.cluster.kubectl(['-n', 'demo', 'label', 'service', 'hello-node-2', text]);
    await grant('front', 'team-b', '', { to: [{ selector: { matchLabels: { tier: 'front' } } }] });
    expect(await isReached(bob, addresses.two)).toBe(false);
    await label('tier=front');
    await untilReached(bob, addresses.two, 'followed a label');
    await label('tier-');
    await untilRefused(bob, addresses.two, 'followed the end of a label');
  });

  test('a grant of the cluster opens one port of a range that is advertised', async () => {
    const podOn = (node: string) =>
      mesh.cluster.kubectl([
        ...['-n', 'demo', 'get', 'pods', '-l', `app=hello-${node}`, '-o', 'jsonpath={.items[0].status.podIP}'],
      ]);
    const [inside, outside] = [await podOn('node-2'), await podOn('node-1')];
    const open = (port: number) => {
      const from = [{ namespaces: { names: ['team-b'] } }];
      const to = [{ cidrs: [`${inside}/32`], ports: [{ number: port }] }];
      const metadata = { name: 'range' };
      return mesh.apply({ apiVersion: API_VERSION, kind: 'ClusterMeshAccess', metadata, spec: { from, to } });
    };
    await mesh.patchGateway('default', { advertise: { cidrs: ['10.244.0.0/16'] } });
    await open(8081);
    await until(
      'the range in the configuration',
      () => mesh.peer(bob.device),
      ({ status }) => status?.config?.includes('10.244.0.0/16') === true,
    );
    await mesh.leave(bob.laptop);
    await mesh.join(bob.laptop, bob.device, mesh.cluster.node('node-2').address);
    for (const address of [inside, outside]) expect(await isReached(bob, `${address}:8080`)).toBe(false);
    await open(8080);
    await untilReached(bob, `${inside}:8080`, 'granted a port of a range');
    expect(await isReached(bob, `${outside}:8080`)).toBe(false);
    await mesh.cluster.kubectl(['delete', 'clustermeshaccess', 'range']);
    await untilRefused(bob, `${inside}:8080`, 'taken back, of a range');
    await mesh.patchGateway('default', { advertise: { cidrs: [] } });
  });
});

describe('with the operator down', () => {
  beforeAll(() => mesh.scale('sallyport-operator', 0));
  afterAll(() => mesh.scale('sallyport-operator', 2));

  test('a new grant holds, and ends at its time', async () => {
    const expiry = Math.ceil(Date.now() / 1000 + LIFETIME_S) * 1000;
    const expiresAt = new Date(expiry).toISOString().replace('.000Z', 'Z');
    const since = await grant('short', 'team-b', 'hello-node-1', { expiresAt });
    await untilReached(bob, addresses.one, 'granted with the operator down', { since });
    const stream = new Traffic(bob.laptop, 'stream', addresses.one);
    try {
      await stream.answerAfter(Date.now());
      const { at, reason } = await stream.untilClosed();
      measured.push(`expired: the connection is told after ${at - expiry} ms`);
      expect(reason).toBe('ECONNRESET');
      expect(at).toBeGreaterThanOrEqual(expiry);
      expect(at - expiry).toBeLessThan(WITHIN_MS);
      expect(await isReached(bob, addresses.one)).toBe(false);
    } finally {
      await stream.stop();
    }
  });

  test('a deleted grant ends', async () => {
    const gone = await revoke('team-a');
    await untilRefused(ada, addresses.one, 'taken back with the operator down', { since: gone });
  });
});

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { commandsIn } from '../scripts/markdown.ts';
import type { Laptop } from './laptop.ts';
import { type Device, type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';
import type { LabNode } from './node.ts';
import { Traffic } from './traffic.ts';

/** Left alone, WireGuard takes 15 s to doubt its session, and dials the same node then; all is far below that, on a busy machine too. */
const TAKEN_OVER_MS = 8_000;
const measured: string[] = [];

let mesh: Mesh;
let first: LabNode;
let second: LabNode;
let laptop: Laptop;
let ada: Device;
let datagrams: Traffic;

/** By which node a laptop goes now. */
async function endpoint(of = laptop): Promise<string> {
  const [, address = ''] = must(await of.exec(['wg', 'show', 'mesh', 'endpoints']))
    .trim()
    .split('\t');
  return address.replace(/:\d+$/, '');
}

const untilReported = (node: LabNode, device = ada) =>
  until(
    `a session of ${device.name} on ${node.name} alone`,
    () => mesh.peer(device),
    ({ status }) => status?.connections?.map((session) => session.node).join() === node.name,
  );

function note(what: string, ms: number): void {
  measured.push(`${what}: ${ms} ms`);
}

beforeAll(async () => {
  // The laptop has nothing but WireGuard, and both nodes serve by wireguard-go, whose sessions end with the agent.
  mesh = await startMesh('takeover');
  [first, second] = mesh.cluster.nodes as [LabNode, LabNode];
  laptop = await mesh.cluster.addLaptop('ada');
  ada = await mesh.addDevice('ada');
  await mesh.join(laptop, ada, first.address);
  datagrams = new Traffic(laptop, 'datagrams', await mesh.serviceAddress(`hello-${second.name}`));
  await datagrams.answerAfter(Date.now());
  await untilReported(first);
});

afterAll(async () => {
  await datagrams?.stop();
  await mesh?.cluster.stop();
  console.log(measured.join('\n'));
});

test('wireguard-go that is killed is started again, calls the laptop, and its connections go on', async () => {
  const stream = new Traffic(laptop, 'stream', await mesh.serviceAddress(`hello-${second.name}`));
  await stream.answerAfter(Date.now());
  const killed = Date.now();
  must(await first.exec(['pkill', '-KILL', '-x', 'wireguard-go']));
  const again = await datagrams.answerAfter(killed + 50);
  note('wireguard-go killed: longest pause', datagrams.longestGap(killed, again));
  await stream.answerAfter(again);
  expect(stream.closed).toBeUndefined();
  expect(await endpoint()).toBe(first.address);
  expect(datagrams.longestGap(killed, Date.now())).toBeLessThan(TAKEN_OVER_MS);
  await stream.stop();
  await untilReported(first);
});

test('a laptop whose node is cordoned stays while a connection is open, and comes to another node then', async () => {
  await mesh.patchGateway('default', { takeover: { drain: '10s' } });
  const stream = new Traffic(laptop, 'stream', await mesh.serviceAddress(`hello-${second.name}`));
  await stream.answerAfter(Date.now());
  const cordoned = Date.now();
  await mesh.cluster.kubectl(['cordon', first.name]);
  await until(
    'the laptop to come',
    () => endpoint(),
    (address) => address === second.address,
  );
  const came = Date.now();
  note('cordoned, with an open connection and drain 10s: the laptop came after', came - cordoned);
  expect(came - cordoned).toBeGreaterThan(10_000);
  const again = await datagrams.answerAfter(came);
  note('cordoned: longest pause of datagrams', datagrams.longestGap(cordoned, again));
  expect(datagrams.longestGap(cordoned, again)).toBeLessThan(TAKEN_OVER_MS);
  await stream.stop();
  await untilReported(second);
  await mesh.cluster.kubectl(['uncordon', first.name]);
  await until(
    'nobody to be leaving',
    () => mesh.gateway(),
    ({ status }) => status?.leavingNodes === undefined,
  );
  expect(await endpoint()).toBe(second.address);
});

test('one whose agent is replaced comes to another node before, and one with an open connection once its time is over', async () => {
  const bob = await mesh.addDevice('bob');
  const busy = await mesh.cluster.addLaptop('bob');
  await mesh.join(busy, bob, second.address);
  const address = await mesh.serviceAddress(`hello-${first.name}`);
  const [stream, besides] = [new Traffic(busy, 'stream', address), new Traffic(busy, 'datagrams', address)];
  await Promise.all([stream.answerAfter(0), besides.answerAfter(0), untilReported(second, bob)]);
  const rolled = Date.now();
  const which = ['-l', 'app.kubernetes.io/component=agent', '--field-selector', `spec.nodeName=${second.name}`];
  const replaced = mesh.cluster.kubectl(['-n', RELEASE.namespace, 'delete', 'pod', ...which]);
  await until(
    'the idle laptop to come',
    () => endpoint(),
    (found) => found === first.address,
    9,
  );
  await stream.answerAfter(rolled + 9_000);
  expect(await endpoint(busy)).toBe(second.address);
  await until(
    'the busy laptop to come',
    () => endpoint(busy),
    (found) => found === first.address,
  );
  const came = Date.now();
  note('agent replaced, with an open connection and drain 10s: the laptop came after', came - rolled);
  expect(came - rolled).toBeGreaterThan(10_000);
  for (const [who, flow] of [['idle', datagrams] as const, ['busy', besides] as const]) {
    const again = await flow.answerAfter(came);
    note(`agent replaced: longest pause of the ${who} laptop`, flow.longestGap(rolled, again));
    expect(flow.longestGap(rolled, again)).toBeLessThan(TAKEN_OVER_MS);
  }
  await Promise.all([stream.stop(), besides.stop()]);
  await mesh.leave(busy);
  await mesh.deleteDevice(bob);
  await replaced;
  await mesh.untilRolled();
  expect(await endpoint()).toBe(first.address);
  await untilReported(first);
});

test('one whose node does not hear the other one stays where it is: its agent says that it lives', async () => {
  await mesh.untilGateway('default', 'Ready');
  const before = await mesh.events('default', 'DevicesTakenOver');
  const hook = 'type filter hook prerouting priority -450;';
  const rules = `table ip cable {\nchain in {\n${hook}\nip saddr ${second.address} udp dport 51840 drop\n}\n}\n`;
  must(await first.exec(['nft', '-f', '-'], { input: rules }));
  const doubts = async () =>
    Promise.all(mesh.cluster.nodes.map(async ({ name }) => (await mesh.gatewayNode('default', name)).status?.liveness));
  await until(
    'one to doubt and the other one to answer',
    doubts,
    ([ofFirst, ofSecond]) => ofSecond?.unreachable.length === 1 && (ofFirst?.answered ?? 0) > 0,
  );
  await datagrams.answerAfter(Date.now() + 2_000);
  expect(await endpoint()).toBe(first.address);
  must(await first.exec(['nft', 'delete', 'table', 'ip', 'cable']));
  await until('the cable to be mended', doubts, (told) => told.every((one) => one?.unreachable.length === 0));
  expect(await mesh.events('default', 'DevicesTakenOver')).toEqual(before);
});

// The last ones: the node stays dead.
test('one whose node dies comes to another node, which is told', async () => {
  await until(
    'both nodes to serve',
    () => mesh.gateway(),
    ({ status }) => status?.nodes?.ready === 2,
    120,
  );
  await untilReported(first);
  const began = Date.now();
  await first.kill();
  const died = Date.now();
  const again = await datagrams.answerAfter(died + 50);
  note('node killed: longest pause', datagrams.longestGap(began, again));
  expect(await endpoint()).toBe(second.address);
  expect(again - died).toBeLessThan(TAKEN_OVER_MS);
  const told = await until(
    'an Event',
    () => mesh.events('default', 'DevicesTakenOver'),
    (seen) => seen.some((note) => note.includes('is dead')),
  );
  expect(told.join('\n')).toContain(
    `Node ${second.name} called 1 device of node ${first.name}, which is dead or cut off`,
  );
});

test('docs/failover.md has commands that show it', async () => {
  const typed = commandsIn(readFileSync(inProject('docs/failover.md'), 'utf8'), 'sh test=failover');
  const shown: string[] = [];
  for (const line of typed) {
    const [program, ...argv] = line.replaceAll("'", '').split(' ');
    expect(program).toBe('kubectl');
    shown.push(await mesh.cluster.kubectl(argv));
  }
  expect(shown).toEqual([
    expect.stringContaining('DevicesTakenOver'),
    expect.any(String),
    expect.stringMatching(new RegExp(`unreachable:\\s+- asked: \\d+\\s+node: ${first.name}`)),
  ]);
});

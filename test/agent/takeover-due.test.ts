import { expect, test } from 'vitest';
import { Takeover, type TakeoverOptions } from '../../src/agent/takeover.ts';
import type { MeshGatewayNode } from '../../src/api/meshgatewaynode.ts';
import { Cache } from '../../src/k8s/store.ts';
import type { SeenPeer } from '../../src/mesh/sessions.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { aCondition, aKey, aReport, aServedGateway } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';

const ALL = ['InterfaceUp', 'Programmed', 'ServicesReachable'];
function report(node: string, well: boolean, released: readonly string[] = []): MeshGatewayNode {
  const conditions = ALL.map((type) => aCondition(type, well || type !== 'ServicesReachable' ? 'True' : 'False'));
  const connections = released.map((name) => ({
    peer: `team-a/${name}`,
    endpoint: '198.51.100.7:40000',
    lastHandshake: '2026-01-01T00:00:00Z',
    since: '2026-01-01T00:00:00Z',
    released: true as const,
  }));
  return aReport({ node, status: { conditions, connections } as never }).report;
}

type Reports = Cache<MeshGatewayNode>;
type Part = Pick<TakeoverOptions, 'clock' | 'onDue'> & {
  readonly reports: Reports;
  readonly observedPeers?: ReadonlyMap<PublicKey, SeenPeer>;
  readonly forgetSessions?: (keys: readonly PublicKey[]) => Promise<void>;
  readonly forgetCalls?: (endpoints: readonly string[]) => Promise<void>;
  readonly callPeers?: (calls: readonly { publicKey: string }[]) => Promise<void>;
  readonly warn?: (what: object, message: string) => void;
};

/** What takes over on node-a. */
function takeoverWith({
  callPeers = async () => undefined,
  observedPeers = new Map(),
  forgetSessions = async () => undefined,
  forgetCalls = async () => undefined,
  warn = () => undefined,
  ...part
}: Part): Takeover {
  return new Takeover({
    ...part,
    gateway: 'default',
    node: 'node-a',
    identity: { publicKey: aKey('a'), addresses: [] },
    ask: (async () => undefined) as never,
    sync: {
      gateway: aServedGateway(),
      names: { device: 'wg-default', other: 'wg-default_2', table: 't' },
      table: { keysOf: (peer: string) => [aKey(peer)], isInUse: () => true } as never,
      topology: () => undefined,
      observedPeers,
      takeAskers: () => undefined,
      callPeers,
      seePeers: async () => undefined,
      forgetSessions,
      forgetCalls,
    } as never,
    log: { info() {}, warn, error() {}, debug() {} } as never,
    events: { record: () => undefined, flush: async () => undefined },
    reachesServices: () => true,
    onUnwell: () => undefined,
    onNews: () => undefined,
  });
}

test('a node that lets go while another one’s devices are being called is called from, too', async () => {
  const clock = new ManualClock();
  const reports = new Cache<MeshGatewayNode>(() => undefined);
  const called: string[][] = [];
  const gates: (() => void)[] = [];
  const looks: string[] = [];
  const callPeers = async (calls: readonly { publicKey: string }[]) => {
    called.push(calls.map(({ publicKey }) => publicKey));
    await new Promise<void>((resolve) => gates.push(resolve));
  };
  const takeover = takeoverWith({ clock, reports, callPeers, onDue: (look) => looks.push(look) });
  const ending = new AbortController();
  takeover.start(ending.signal);
  reports.put(report('node-a', true));
  reports.put(report('node-c', false));
  reports.put(report('node-b', false, ['ada']));
  const first = takeover.act();
  await clock.advance(0);
  expect(called).toEqual([[aKey('team-a/ada')]]);
  // While that is under way, which takes 30 ms for each hundred devices, another node lets go.
  reports.put(report('node-c', false, ['bob']));
  expect(looks.at(-1)).toBe('calls');
  gates.shift()?.();
  await first;
  // The look that it has asked for.
  const second = takeover.act();
  await clock.advance(0);
  gates.shift()?.();
  await second;
  expect(called.flat()).toContain(aKey('team-a/bob'));
  ending.abort();
});

test('what is called while all ends is not looked at later', async () => {
  const clock = new ManualClock();
  const reports = new Cache<MeshGatewayNode>(() => undefined);
  const called = Promise.withResolvers<void>();
  const takeover = takeoverWith({ clock, reports, callPeers: () => called.promise, onDue: () => undefined });
  const ending = new AbortController();
  takeover.start(ending.signal);
  reports.put(report('node-a', true));
  reports.put(report('node-b', false, ['ada']));
  const calling = takeover.act();
  await clock.advance(0);
  ending.abort();
  called.resolve();
  await calling;
  expect(clock.pending).toBe(0);
});

test('who could not be called again is called again soon', async () => {
  const clock = new ManualClock();
  const reports = new Cache<MeshGatewayNode>(() => undefined);
  const called: number[] = [];
  let isBroken = false;
  const callPeers = async (calls: readonly unknown[]) => {
    if (isBroken) throw new Error('no link');
    if (calls.length > 0) called.push(clock.monotonic());
  };
  let isDue = false;
  const takeover = takeoverWith({ clock, reports, callPeers, onDue: () => (isDue = true) });
  const ending = new AbortController();
  takeover.start(ending.signal);
  reports.put(report('node-a', true));
  reports.put(report('node-b', false, ['ada']));
  await takeover.act();
  isDue = false;
  isBroken = true;
  await clock.advance(2_000);
  expect(isDue).toBe(true);
  await expect(takeover.act()).rejects.toThrow('no link');
  isBroken = false;
  await clock.advance(250);
  await takeover.act();
  expect(called).toEqual([0, 2_250]);
  ending.abort();
});

/** node-a has a session with ada, of whom it hears no more, and node-b reports one later on. */
function sharedAda(own: readonly string[] = []) {
  const clock = new ManualClock();
  const reports = new Cache<MeshGatewayNode>(() => undefined);
  const key = aKey('team-a/ada');
  const looks: string[] = [];
  const forgotten: PublicKey[][] = [];
  const flows: string[] = [];
  const failures: Error[] = [];
  const seen = { latestHandshake: 1, receivedBytes: 100, endpoint: '198.51.100.7:40000' } as SeenPeer;
  const observedPeers = new Map([[key, seen]]);
  const takeover = takeoverWith({
    ...{ clock, reports, onDue: (look) => looks.push(look) },
    observedPeers,
    async forgetSessions(keys) {
      forgotten.push([...keys]);
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      observedPeers.set(key, { ...seen, latestHandshake: 0 });
    },
    async forgetCalls(endpoints) {
      flows.push(...endpoints);
    },
  });
  const ending = new AbortController();
  takeover.start(ending.signal);
  reports.put(report('node-a', true, own));
  reports.put(report('node-b', true));
  return {
    ...{ key, clock, forgotten, flows, failures, takeover },
    /** It shakes hands with node-a. */
    returns: () => observedPeers.set(key, seen),
    comes: (lastHandshake: string) => reports.put(withSession(report('node-b', true), 'ada', lastHandshake)),
    /** How often it was asked for a look since the last time. */
    asked: () => looks.splice(0).filter((look) => look === 'peers').length,
    [Symbol.dispose]: () => ending.abort(),
  };
}

function withSession(before: MeshGatewayNode, name: string, lastHandshake: string): MeshGatewayNode {
  const session = { peer: `team-a/${name}`, endpoint: '198.51.100.7:40000', lastHandshake, since: lastHandshake };
  return { ...before, status: { ...before.status, connections: [session] } as never };
}

const EARLIER = '2025-12-31T23:58:00Z';
const LATER = '2026-01-01T00:00:00Z';

test('a device that is silent here is let go as soon as that can be known, also where the first look at it came late', async () => {
  using ada = sharedAda();
  ada.comes(LATER);
  expect(ada.asked()).toBe(1);
  await ada.clock.advance(150);
  await ada.takeover.looked();
  await ada.clock.advance(350);
  await ada.takeover.looked();
  expect(ada.forgotten).toEqual([]);
  ada.asked();
  await ada.clock.advance(50);
  expect(ada.asked()).toBeGreaterThan(0);
  await ada.takeover.looked();
  expect(ada.forgotten).toEqual([[ada.key]]);
  await ada.clock.advance(1_000);
  await ada.takeover.looked();
  ada.asked();
  await ada.clock.advance(5_000);
  expect(ada.asked()).toBe(0);
});

test('the flow of a device that was let go is forgotten when its new node has had the time to call it, and not that of one that is back', async () => {
  for (const isBack of [false, true]) {
    using ada = sharedAda(['ada']);
    ada.comes(LATER);
    await ada.takeover.looked();
    ada.asked();
    await ada.clock.advance(900);
    await ada.takeover.looked();
    expect([ada.flows, ada.asked()]).toEqual([[], 0]);
    if (isBack) ada.returns();
    await ada.clock.advance(100);
    expect(ada.asked()).toBe(1);
    await ada.takeover.looked();
    await ada.takeover.looked();
    expect(ada.flows).toEqual(isBack ? [] : ['198.51.100.7:40000']);
  }
});

test('a device that could not be let go is let go in the next look', async () => {
  using ada = sharedAda();
  ada.comes(LATER);
  await ada.takeover.looked();
  await ada.clock.advance(400);
  ada.failures.push(new Error('no wg'));
  await expect(ada.takeover.looked()).rejects.toThrow('no wg');
  await ada.takeover.looked();
  expect(ada.forgotten).toEqual([[ada.key], [ada.key]]);
});

test('a device that this node lets go has gone as soon as another one reports it, and not by what that one knew before', async () => {
  using released = sharedAda(['ada']);
  released.comes(EARLIER);
  await released.takeover.looked();
  expect(released.forgotten).toEqual([]);
  released.comes(LATER);
  await released.takeover.looked();
  expect(released.forgotten).toEqual([[released.key]]);
});

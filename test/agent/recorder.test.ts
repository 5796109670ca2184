import { beforeEach, describe, expect, test } from 'vitest';
import type { AgentView } from '../../src/agent/agent.ts';
import { AgentRecorder } from '../../src/agent/recorder.ts';
import type { ConnectionTracking } from '../../src/dataplane/connection-tracking.ts';
import type { Counted } from '../../src/dataplane/nftables/counted.ts';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import type { SeenPeer } from '../../src/mesh/sessions.ts';
import { createLog } from '../../src/runtime/log.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import { aKey, aMember, NOW } from '../support/builders.ts';
import { samplesOf } from '../support/metrics-page.ts';

const table = peerTable('default', [aMember({ name: 'ada' }), aMember({ name: 'bob', address: '10.213.0.21' })], NOW);

let peers: readonly SeenPeer[];
let counter: () => Promise<Counted | undefined>;
let tracking: ConnectionTracking | undefined;
let metrics: Metrics;
let recorder: AgentRecorder;

const used = (name: string, receivedBytes: number): ObservedPeer => ({
  publicKey: aKey(`team-a/${name}`),
  allowedIPs: [],
  latestHandshake: NOW / 1_000 - 5,
  receivedBytes,
  sentBytes: 2 * receivedBytes,
});

function record(devices: number): void {
  metrics = new Metrics();
  recorder = new AgentRecorder({ metrics, clock: { now: () => NOW }, log: createLog({ level: 'silent' }), devices });
  const view = (): AgentView => ({
    observed: new Map(peers.map((peer) => [peer.publicKey, peer])),
    table,
    firewall: 'sallyport-default',
    conditions: [],
    withoutPresharedKey: 1,
    devicesAtLimit: 3,
  });
  const agent = {
    get view() {
      return view();
    },
    notReady: () => undefined,
  };
  recorder.follow(agent, { countedBy: () => counter(), observeTracking: async () => tracking });
}

const samples = async () => Object.fromEntries(samplesOf((await metrics.page()).text));
const about = async (pattern: RegExp) => Object.entries(await samples()).filter(([name]) => pattern.test(name));

beforeEach(() => {
  peers = [used('ada', 100), used('bob', 10)];
  counter = async () => ({ packets: 0, bytes: 0 });
  tracking = { entries: 120, most: 1_000 };
});

describe('single devices', () => {
  test('are named nowhere, unless that is asked for', async () => {
    record(0);
    expect(Object.keys(await samples()).join('\n')).not.toContain('team-a');
  });

  test('have their bytes where it is asked for', async () => {
    record(2);
    expect(await about(/_device_/)).toEqual([
      ['sallyport_agent_device_received_bytes_total{device="team-a/ada"}', 100],
      ['sallyport_agent_device_received_bytes_total{device="team-a/bob"}', 10],
      ['sallyport_agent_device_sent_bytes_total{device="team-a/ada"}', 200],
      ['sallyport_agent_device_sent_bytes_total{device="team-a/bob"}', 20],
    ]);
  });

  test('are all left out, and counted, once they are more than that; and are back afterwards', async () => {
    record(1);
    expect(await about(/_device_|_devices_left_out/)).toEqual([['sallyport_agent_devices_left_out', 2]]);
    peers = [used('ada', 100)];
    expect((await about(/_device_|_devices_left_out/)).map(([, value]) => value)).toEqual([100, 200, 0]);
  });
});

describe('bytes of a device', () => {
  const received = async () => (await about(/_device_received/)).map(([, value]) => value);
  const other = (name: string, bytes: number) => ({ ...used(name, bytes), isByOtherKey: true }) as const;

  test('go on while it goes back and forth between the interfaces of two keys', async () => {
    record(2);
    peers = [used('ada', 1_000)];
    expect(await received()).toEqual([1_000]);
    peers = [other('ada', 40)];
    expect(await received()).toEqual([1_040]);
    peers = [used('ada', 1_001)];
    expect(await received()).toEqual([1_041]);
  });

  test('go on while it was left out, and when its interface is made anew', async () => {
    record(1);
    expect(await received()).toEqual([]);
    peers = [used('ada', 30)];
    expect(await received()).toEqual([130]);
  });
});

describe('refused packets', () => {
  const refused = async () => (await samples()).sallyport_agent_refused_packets_total;

  test('are those since the first page, though the table be made anew', async () => {
    record(0);
    const counts = [7, 9, 9, 1].map((packets) => ({ packets, bytes: 0 }));
    counter = async () => counts.shift();
    expect([await refused(), await refused(), await refused(), await refused()]).toEqual([0, 2, 2, 3]);
  });

  test('that cannot be read cost the page nothing else', async () => {
    record(0);
    counter = () => Promise.reject(new Error('nft is missing'));
    expect(await samples()).toMatchObject({
      sallyport_agent_serving: 1,
      sallyport_agent_peers_without_preshared_key: 1,
      sallyport_agent_devices_at_connection_limit: 3,
      'sallyport_agent_reading_failures_total{reading="refused_packets"}': 1,
    });
  });
});

test.each([
  [
    { entries: 120, most: 1_000 },
    { entries: 120, entries_limit: 1_000 },
  ],
  [{ entries: 120, most: 0 }, { entries: 120 }],
  [undefined, {}],
])('connection tracking of %j shows, and its limit where it has one', async (given, shown) => {
  tracking = given;
  record(0);
  const told = Object.entries(shown).map(([name, value]) => [`sallyport_agent_conntrack_${name}`, value]);
  expect(await about(/_conntrack_/)).toEqual(told);
});

test('a probe is counted by its end, and timed by the steps that it took', async () => {
  record(0);
  recorder.probed({ ok: true, reused: false, handshakeMs: 2, dnsMs: 3, tcpMs: 4 });
  recorder.probed({ ok: true, reused: true, handshakeMs: 2, tcpMs: 4 });
  recorder.probed({ ok: false, step: 'dns', reason: 'timeout', problem: 'no answer', handshakeMs: 2 });
  expect(await samples()).toMatchObject({
    'sallyport_agent_probes_total{result="ok"}': 2,
    'sallyport_agent_probes_total{result="dns"}': 1,
    'sallyport_agent_probes_total{result="tcp"}': 0,
    'sallyport_agent_probe_duration_seconds_count{step="handshake"}': 2,
    'sallyport_agent_probe_duration_seconds_count{step="dns"}': 1,
    'sallyport_agent_probe_duration_seconds_count{step="tcp"}': 2,
    'sallyport_agent_probe_duration_seconds_sum{step="dns"}': 0.003,
  });
});

test('a watch that was interrupted is counted, one that mended itself is not', async () => {
  record(0);
  recorder.watched('meshpeers', { kind: 'disconnected', error: new Error('reset'), failures: 1, retryInMs: 1 });
  recorder.watched('meshpeers', { kind: 'recovered', failures: 1 });
  expect(await about(/watch_restarts/)).toEqual([['sallyport_agent_watch_restarts_total{resource="meshpeers"}', 1]]);
});

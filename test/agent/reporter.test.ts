import { beforeEach, expect, test } from 'vitest';
import { Reporter } from '../../src/agent/reporter.ts';
import type { MeshGatewayNodeStatus } from '../../src/api/meshgatewaynode.ts';
import type { Client } from '../../src/k8s/client.ts';
import { aServedGateway } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';

const MINUTE = 60_000;

let clock: ManualClock;
let now: MeshGatewayNodeStatus;
let written: (string | undefined)[];
let reporter: Reporter;

beforeEach(async () => {
  clock = new ManualClock();
  now = { appliedResourceVersion: '10', peers: 1 };
  written = [];
  const client = {
    get: async () => undefined,
    apply: async () => undefined,
    applyStatus: async (_type: unknown, _target: unknown, status: MeshGatewayNodeStatus) => {
      written.push(status.appliedResourceVersion);
    },
  };
  reporter = new Reporter({
    client: client as unknown as Client,
    clock,
    gateway: 'default',
    node: 'node-a',
    namespace: 'sallyport-system',
    status: () => now,
    owner: () => aServedGateway(),
    onFailure: () => undefined,
  });
  await reporter.start();
  await follows('10');
});

/** The node has followed MeshPeers up to this version, and is looked at. */
async function follows(appliedResourceVersion: string): Promise<void> {
  now = { ...now, appliedResourceVersion };
  reporter.changed();
  await clock.advance(1_000);
}

test('how far the node has followed is no reason to write for minutes', async () => {
  for (let minute = 0; minute < 4; minute += 1) {
    await follows(`${11 + minute}`);
    await clock.advance(MINUTE);
  }
  expect(written).toEqual(['10']);
  await clock.advance(MINUTE);
  await follows('20');
  expect(written).toEqual(['10', '20']);
});

test('who waits for a version is told it at once, and not only an earlier one', async () => {
  reporter.await('12');
  await follows('11');
  await follows('12');
  await follows('13');
  expect(written).toEqual(['10', '11', '12']);
});

test('a report that is written for anything else says how far the node has followed', async () => {
  now = { ...now, peers: 2 };
  await follows('11');
  expect(written).toEqual(['10', '11']);
});

test('a version that goes back is told at once, and nobody waits for one of before any more', async () => {
  reporter.await('30');
  await follows('20');
  reporter.wentBack();
  await follows('15');
  await follows('16');
  expect(written).toEqual(['10', '20', '15']);
  reporter.await('17');
  await follows('17');
  expect(written).toEqual(['10', '20', '15', '17']);
});

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import { createClient } from '../../src/k8s/client.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { DnsEndpoints, LOOK_EVERY_MS } from '../../src/operator/dns-endpoints.ts';
import { createLog } from '../../src/runtime/log.ts';
import { FakeApiServer } from '../support/fake-api-server/server.ts';
import { ManualClock } from '../support/fake-clock.ts';

const NAMESPACE = 'sallyport-system';
const { parse: _, ...KIND } = dnsEndpointType;
const DISCOVERY = '/apis/externaldns.k8s.io/v1alpha1';

let server: FakeApiServer;
let transport: Transport;
let clock: ManualClock;
let ending: AbortController;
let changes: number;
let logged: string[];
let dnsEndpoints: DnsEndpoints;

beforeEach(async () => {
  server = await FakeApiServer.start({ plain: true });
  transport = createTransport(server.connection(), { userAgent: 'test' });
  clock = new ManualClock();
  ending = new AbortController();
  changes = 0;
  logged = [];
  const client = createClient(transport);
  dnsEndpoints = new DnsEndpoints({
    ...{ transport, client, clock, namespace: NAMESPACE, signal: ending.signal, onNotice: () => undefined },
    log: createLog({ level: 'info', destination: { write: (line) => logged.push(line) } }),
    onChange: () => {
      changes += 1;
    },
  });
});

afterEach(async () => {
  ending.abort();
  transport.close();
  await server.stop();
});

const make = (gateway: string, labels: object = { 'sallyport.dev/gateway': gateway }) =>
  createClient(transport).create(dnsEndpointType, {
    metadata: { name: `sallyport-${gateway}`, namespace: NAMESPACE, labels },
  });

const looks = () => server.requests.filter(({ path }) => path === DISCOVERY).length;

describe('DNSEndpoints', () => {
  test('are none where the API server has none, which is asked once for all gateways', async () => {
    expect(await Promise.all([dnsEndpoints.sight('a'), dnsEndpoints.sight('b')])).toEqual([
      { kind: 'unserved' },
      { kind: 'unserved' },
    ]);
    await dnsEndpoints.sight('a');
    expect(looks()).toBe(1);
    expect(dnsEndpoints.store).toBeUndefined();
  });

  test('are followed where there are some', async () => {
    server.serve(KIND);
    await make('a');
    expect(await dnsEndpoints.sight('a')).toMatchObject({
      kind: 'served',
      object: { metadata: { name: 'sallyport-a' } },
    });
    expect(await dnsEndpoints.sight('b')).toEqual({ kind: 'served', object: undefined });
    const before = changes;
    await make('b');
    await expect.poll(() => changes).toBeGreaterThan(before);
    expect(await dnsEndpoints.sight('b')).toMatchObject({
      kind: 'served',
      object: { metadata: { name: 'sallyport-b' } },
    });
  });

  test('that no gateway of ours owns are left alone', async () => {
    server.serve(KIND);
    await make('a', { team: 'b' });
    expect(await dnsEndpoints.sight('a')).toEqual({ kind: 'served', object: undefined });
  });

  test('may come and go with their definition while the operator runs', async () => {
    await dnsEndpoints.sight('a');
    server.serve(KIND);
    expect(await dnsEndpoints.sight('a')).toEqual({ kind: 'unserved' });
    await clock.advance(LOOK_EVERY_MS);
    expect(await dnsEndpoints.sight('a')).toEqual({ kind: 'served', object: undefined });
    server.withdraw(KIND);
    await clock.advance(LOOK_EVERY_MS);
    expect(await dnsEndpoints.sight('a')).toEqual({ kind: 'unserved' });
    expect(dnsEndpoints.store).toBeUndefined();
  });

  test('are not known while the API server does not say, and what was known before holds on', async () => {
    server.fault({ path: DISCOVERY, times: 1, action: { kind: 'refuse', code: 500 } });
    expect(await dnsEndpoints.sight('a')).toEqual({ kind: 'unknown' });
    expect(logged).toEqual([expect.stringContaining('not known whether there are DNSEndpoints')]);
    server.serve(KIND);
    await clock.advance(LOOK_EVERY_MS);
    expect(await dnsEndpoints.sight('a')).toMatchObject({ kind: 'served' });
    server.fault({ path: DISCOVERY, times: 1, action: { kind: 'refuse', code: 500 } });
    await clock.advance(LOOK_EVERY_MS);
    expect(await dnsEndpoints.sight('a')).toMatchObject({ kind: 'served' });
  });

  test('that may not be read keep no gateway waiting for long', async () => {
    server.serve(KIND);
    server.fault({ path: '/dnsendpoints', action: { kind: 'refuse', code: 403 } });
    const sight = dnsEndpoints.sight('a');
    await server.until(() => server.seen('/dnsendpoints').length > 0);
    await clock.advance(10_000);
    expect(await sight).toEqual({ kind: 'unknown' });
  });
});

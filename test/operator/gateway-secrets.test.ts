import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { secretType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import { startReflector } from '../../src/k8s/reflector.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { GatewaySecrets } from '../../src/operator/gateway-secrets.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { aGateway } from '../support/builders.ts';
import { FakeApiServer } from '../support/fake-api-server/server.ts';

const NAMESPACE = 'sallyport-system';
const OWN = { name: 'sallyport-office', namespace: NAMESPACE };
const COPY = { ...OWN, name: 'sallyport-office.keys' };
const { parse: _, ...GATEWAYS } = meshGatewayType;
const office = aGateway({ metadata: { name: 'office' } });

let server: FakeApiServer;
let transport: Transport;
let client: Client;
let ending: AbortController;
let woken: ObjectKey[];
let secrets: GatewaySecrets;

beforeEach(async () => {
  server = await FakeApiServer.start({ plain: true, resources: [GATEWAYS] });
  transport = createTransport(server.connection(), { userAgent: 'test', timeoutMs: 500 });
  client = createClient(transport);
  ending = new AbortController();
  woken = [];
});

afterEach(async () => {
  ending.abort();
  transport.close();
  await server.stop();
});

const addGateway = () => client.create(meshGatewayType, { metadata: { name: 'office' }, spec: {} });

/** Follows the Secrets of what gateways there are. */
async function follow(): Promise<void> {
  const options = { clock: systemClock, signal: ending.signal };
  const { store: gateways } = startReflector(transport, meshGatewayType, options);
  await gateways.whenSynced();
  secrets = new GatewaySecrets({
    ...{ ...options, transport, gateways, namespace: NAMESPACE, onNotice: () => undefined },
    onChange: (gateway) => woken.push(gateway),
  });
}

const put = (metadata: typeof OWN, text: string) => client.create(secretType, { metadata, data: { privateKey: text } });

/** What is known of the two; undefined while it is not. */
function known() {
  const stores = secrets.of(office);
  const dataOf = (store: 'own' | 'copy', metadata: typeof OWN) => stores?.[store].get(keyOf(metadata))?.data.privateKey;
  return stores && [dataOf('own', OWN), dataOf('copy', COPY)];
}

const untilKnown = (...texts: readonly (string | undefined)[]) => expect.poll(known, { interval: 5 }).toEqual(texts);
/** Watches of single Secrets that are open. */
const watches = () => server.watches.size - 1;

describe("a gateway's Secrets", () => {
  beforeEach(async () => {
    await addGateway();
    await put(OWN, 'b25l');
    await follow();
    await untilKnown('b25l', undefined);
  });

  test('that appear, change, go and come back are known, and each change wakes the gateway', async () => {
    const steps: readonly (readonly [() => Promise<unknown>, string | undefined, string | undefined])[] = [
      [() => put(COPY, 'b25l'), 'b25l', 'b25l'],
      [() => client.patch(secretType, OWN, { data: { privateKey: 'dHdv' } }), 'dHdv', 'b25l'],
      [() => client.delete(secretType, OWN), undefined, 'b25l'],
      [() => put(OWN, 'b25l'), 'b25l', 'b25l'],
      [() => client.delete(secretType, COPY), 'b25l', undefined],
    ];
    for (const [act, ...texts] of steps) {
      woken.length = 0;
      await act();
      await untilKnown(...texts);
      expect(woken).toEqual(['office']);
    }
  });

  test('are known anew where the server has forgotten what happened while the watches were broken', async () => {
    server.fault({
      path: '/secrets',
      when: 'resume',
      times: 2,
      action: { kind: 'refuse', code: 410, reason: 'Expired' },
    });
    server.finishWatches('cut');
    await client.delete(secretType, OWN);
    await put(COPY, 'dHdv');
    woken.length = 0;
    await expect.poll(known, { interval: 5, timeout: 5_000 }).toEqual([undefined, 'dHdv']);
    expect(new Set(woken)).toEqual(new Set(['office']));
  });

  test('are no more followed when the gateway has gone, and again when one of that name comes', async () => {
    await expect.poll(watches, { interval: 5 }).toBe(2);
    await client.delete(meshGatewayType, { name: 'office' });
    await expect.poll(watches, { interval: 5 }).toBe(0);
    expect(secrets.of(office)).toBeUndefined();
    await client.delete(secretType, OWN);
    await addGateway();
    await untilKnown(undefined, undefined);
  });
});

test('a gateway that comes later is woken when its Secrets have been looked for, though there are none', async () => {
  await follow();
  await addGateway();
  await expect.poll(() => woken, { interval: 5 }).toEqual(['office']);
  expect(known()).toEqual([undefined, undefined]);
});

test.each([
  ['the one that people supply', OWN],
  ['the one that nodes mount', COPY],
])('neither is taken for missing before %s has been looked for', async (_what, { name }) => {
  await addGateway();
  await put(OWN, 'b25l');
  await put(COPY, 'b25l');
  server.fault({ fieldSelector: `metadata.name=${name}`, times: 1, action: { kind: 'stall' } });
  await follow();
  // The other one is known, or it would wake nobody.
  await expect.poll(() => woken, { interval: 5 }).toEqual(['office']);
  expect(known()).toBeUndefined();
  await expect.poll(known, { interval: 5, timeout: 5_000 }).toEqual(['b25l', 'b25l']);
});

import { expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { type Secret, secretType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { PRESHARED_KEY_TYPE, PRESHARED_KEYS_TYPE } from '../../src/api/names.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import type { Store } from '../../src/k8s/store.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import { startStores } from '../../src/operator/stores.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

const DEFAULT = 'default' as ObjectKey;
const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;

test('the operator asks for the Secrets of its gateways by name, for preshared keys by type, and for no other Secret', async () => {
  const mesh = await SmallMesh.start();
  try {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.client.create(meshGatewayType, { metadata: { name: 'office' }, spec: {} });
    for (const gateway of ['default', 'office'])
      await mesh.until(meshGatewayType, gateway as ObjectKey, ({ status }) => status?.observedGeneration !== undefined);
    const asked = mesh.server.requests.filter(({ path, method }) => method === 'GET' && path.includes('/secrets'));
    const selections = asked.map(({ path, query }) => {
      const name = path.startsWith(`${SECRETS}/`) ? path.slice(SECRETS.length + 1) : undefined;
      return name === undefined ? `${path} ${query.get('fieldSelector')}` : `${SECRETS} metadata.name=${name}`;
    });
    expect([...new Set(selections)].sort()).toEqual([
      `${SECRETS} metadata.name=sallyport-default`,
      `${SECRETS} metadata.name=sallyport-default.keys`,
      `${SECRETS} metadata.name=sallyport-office`,
      `${SECRETS} metadata.name=sallyport-office.keys`,
      `${SECRETS} type=${PRESHARED_KEY_TYPE}`,
      `${SECRETS} type=${PRESHARED_KEYS_TYPE}`,
    ]);
  } finally {
    await mesh.stop();
  }
});

test("a gateway's Secret is asked for before it is called missing: what nodes mount may be seen first", async () => {
  const mesh = await SmallMesh.start();
  try {
    const fieldSelector = 'metadata.name=sallyport-default';
    mesh.server.fault({ fieldSelector, when: 'watch', action: { kind: 'after-lines', lines: 1, end: 'stall' } });
    mesh.startOperator();
    await mesh.addGateway();
    const untilDecided = (generation: number) =>
      mesh.until(meshGatewayType, DEFAULT, ({ status }) => status?.observedGeneration === generation);
    const { metadata } = await untilDecided(1);
    await mesh.until(secretType, `${NAMESPACE}/sallyport-default.keys` as ObjectKey, () => true);
    await mesh.client.patch(meshGatewayType, metadata, { spec: { keyRotation: { overlap: '1h' } } });
    const { status } = await untilDecided(2);
    expect(findCondition(status?.conditions ?? [], 'KeyApplied')?.reason).toBe('Applied');
    expect(mesh.happened.map(({ reason }) => reason)).not.toContain('SecretMissing');
  } finally {
    await mesh.stop();
  }
});

test('preshared keys are those of their types, in its own namespace', async () => {
  const mesh = await SmallMesh.start();
  const ending = new AbortController();
  try {
    const types = { supplied: 'Opaque', 'of-a-device': PRESHARED_KEY_TYPE, 'of-all-devices': PRESHARED_KEYS_TYPE };
    for (const namespace of [NAMESPACE, 'elsewhere'])
      for (const [name, type] of Object.entries(types))
        await mesh.client.create(secretType, { metadata: { name, namespace }, type, data: {} });
    const transport = createTransport(mesh.server.connection(), { userAgent: 'test' });
    const onNotice = (notice: object) => expect.unreachable(JSON.stringify(notice));
    const following = { signal: ending.signal, clock: systemClock, onNotice };
    const { presharedKeys, presharedKeySets } = await startStores(
      { transport, client: mesh.client },
      NAMESPACE,
      following,
    );
    const keys = (store: Store<Secret>) => [...store.entries()].map(([key]) => key);
    expect(keys(presharedKeys)).toEqual([`${NAMESPACE}/of-a-device`]);
    expect(keys(presharedKeySets)).toEqual([`${NAMESPACE}/of-all-devices`]);
  } finally {
    ending.abort();
    await mesh.stop();
  }
});

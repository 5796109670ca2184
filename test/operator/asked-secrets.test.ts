import { expect, test } from 'vitest';
import { type Secret, secretType } from '../../src/api/core.ts';
import { PRESHARED_KEY_TYPE, PRESHARED_KEYS_TYPE } from '../../src/api/names.ts';
import type { Store } from '../../src/k8s/store.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import { startStores } from '../../src/operator/stores.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

/** A Secret of each type, where the operator is and where it is not. */
const TYPES: Readonly<Record<string, string>> = {
  supplied: 'Opaque',
  'of-a-vault': 'example.test/synced',
  'of-a-device': PRESHARED_KEY_TYPE,
  'of-all-devices': PRESHARED_KEYS_TYPE,
  release: 'helm.sh/release.v1',
  bootstrap: 'bootstrap.kubernetes.io/token',
  password: 'kubernetes.io/basic-auth',
  'old-pull': 'kubernetes.io/dockercfg',
  pull: 'kubernetes.io/dockerconfigjson',
  account: 'kubernetes.io/service-account-token',
  ssh: 'kubernetes.io/ssh-auth',
  certificate: 'kubernetes.io/tls',
};

test('the operator is sent what may be a key, of its own namespace, and no other Secret', async () => {
  const mesh = await SmallMesh.start();
  const ending = new AbortController();
  try {
    for (const namespace of [NAMESPACE, 'elsewhere'])
      for (const [name, type] of Object.entries(TYPES))
        await mesh.client.create(secretType, { metadata: { name, namespace }, type, data: {} });
    const transport = createTransport(mesh.server.connection(), { userAgent: 'test' });
    const onNotice = (notice: object) => expect.unreachable(JSON.stringify(notice));
    const following = { signal: ending.signal, clock: systemClock, onNotice };
    const { secrets, presharedKeys, presharedKeySets } = await startStores(
      { transport, client: mesh.client },
      NAMESPACE,
      following,
    );
    const names = (store: Store<Secret>) => [...store.values()].map(({ metadata }) => metadata.name).sort();
    expect(names(secrets)).toEqual(['of-a-vault', 'supplied']);
    expect(names(presharedKeys)).toEqual(['of-a-device']);
    expect(names(presharedKeySets)).toEqual(['of-all-devices']);
  } finally {
    ending.abort();
    await mesh.stop();
  }
});

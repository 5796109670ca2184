import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { secretType } from '../../src/api/core.ts';
import { OPERATOR_MANAGER } from '../../src/api/names.ts';
import { createClient } from '../../src/k8s/client.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import { MOST_PRESHARED_KEYS } from '../../src/mesh/preshared-key.ts';
import { type PresharedKey, parsePresharedKey } from '../../src/net/key.ts';
import { presharedKeysSecret } from '../../src/operator/children.ts';
import { aServedGateway } from '../support/builders.ts';
import { controlPlaneBinaries, type RealApiServer, startRealApiServer } from '../support/real-api-server.ts';

let server: RealApiServer;

beforeAll(async () => {
  server = await startRealApiServer(await controlPlaneBinaries());
}, 1_800_000);

afterAll(() => server?.stop());

test('as many preshared keys as a gateway may have fit into its Secret, with room for a tenth more', async () => {
  const { url, token, ca } = server;
  const credentials = async () => ({ headers: { authorization: `Bearer ${token}` }, tls: { ca } });
  const transport = createTransport({ server: new URL(url), namespace: 'default', credentials }, { userAgent: 'test' });
  const client = createClient(transport);
  const options = { fieldManager: OPERATOR_MANAGER };
  const began = performance.now();
  for (const count of [MOST_PRESHARED_KEYS, Math.ceil(MOST_PRESHARED_KEYS * 1.1)]) {
    const secret = presharedKeysSecret(aServedGateway({ metadata: { uid: 'b4a8' } }), 'default', manyKeys(count));
    const stored = await client.apply(secretType, secret, options);
    expect(Object.keys(stored.data)).toHaveLength(count);
  }
  console.log(`two applies took ${Math.round(performance.now() - began)} ms`);
  transport.close();
});

/** Versions as long as the operator's. */
function manyKeys(count: number): ReadonlyMap<string, PresharedKey> {
  return new Map(
    Array.from({ length: count }, (_, index) => {
      const key = parsePresharedKey(randomBytes(32).toString('base64'));
      if (!key.ok) throw new Error(key.problem);
      const version = createHash('sha256').update(`${index}`).digest().subarray(0, 12).toString('base64url');
      return [version, key.value];
    }),
  );
}

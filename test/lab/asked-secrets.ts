import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { secretType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import {
  GATEWAY_LABEL,
  MANAGED_BY_LABEL,
  OPERATOR_MANAGER,
  PEER_ANNOTATION,
  PRESHARED_KEY_ENTRY,
  PRESHARED_KEY_TYPE,
  PRIVATE_KEY_ENTRY,
} from '../../src/api/names.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import { createEventRecorder } from '../../src/k8s/events.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import type { OperatorConfig } from '../../src/operator/config.ts';
import { lead } from '../../src/operator/lead.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import type { RealApiServer } from '../support/real-api-server.ts';

const GATEWAY = 'default';
const KEY = `sallyport-${GATEWAY}`;
const PSK = 'ada-psk';
const [first, second] = [newKey(), newKey()];

/** Secrets that are none of Sallyport's business, as far as each can look like one that is; all hold this. */
const STRANGERS_WORD = base64(randomBytes(24).toString('hex'));
const STRANGERS: readonly (readonly [name: string, type: string])[] = [
  ['vault-token', 'Opaque'],
  [`${KEY}-backup`, 'Opaque'],
  [`${KEY}.keys-backup`, 'example.test/synced'],
  ['sallyport-office', 'Opaque'],
  ['login', 'kubernetes.io/basic-auth'],
];

interface Given {
  readonly server: RealApiServer;
  readonly namespace: string;
  /** The operator's account. */
  readonly user: string;
  readonly config: OperatorConfig;
}

/** One answer, or one line of a watch. */
interface Heard {
  readonly path: string;
  readonly text: string;
}

/** Which Secrets a real API server tells an operator of, where the chart is installed. */
export function describeAskedSecrets(given: () => Given): void {
  test('an operator is told of the Secrets with keys of gateways and devices, and of no other in its namespace', async () => {
    const { server, namespace, user } = given();
    const admin = createClient(transportTo(server, {}));
    const at = (name: string) => ({ name, namespace });
    const { heard, transport } = recorded(transportTo(server, { 'impersonate-user': user }));
    await admin.delete(secretType, at(KEY));
    for (const [name, type] of STRANGERS) await admin.create(secretType, aStranger(at(name), type));
    onTestFinished(startOperator(transport, given()));

    const keyApplied = async () => {
      const { status } = (await admin.get(meshGatewayType, GATEWAY)) ?? {};
      return findCondition(status?.conditions ?? [], 'KeyApplied')?.reason;
    };
    await expect.poll(keyApplied, { timeout: 20_000 }).toBe('Applied');
    await changeStrangers(admin, namespace);

    await admin.delete(secretType, at(KEY));
    await expect.poll(keyApplied).toBe('SecretMissing');
    const privateKey = base64(keyPairFrom(randomBytes(32)).privateKey);
    await admin.create(secretType, { metadata: at(KEY), data: { [PRIVATE_KEY_ENTRY]: privateKey } });
    await expect.poll(keyApplied).not.toBe('SecretMissing');

    const spec = { publicKey: keyPairFrom(randomBytes(32)).publicKey, presharedKeySecretName: PSK };
    const ada = { name: 'ada', namespace: 'default' };
    await admin.create(meshPeerType, { metadata: ada, spec });
    const version = async () => (await admin.get(meshPeerType, ada.name, ada.namespace))?.status?.presharedKeyVersion;
    const metadata = { ...at(PSK), annotations: { [PEER_ANNOTATION]: 'default/ada' } };
    await admin.create(secretType, { metadata, type: PRESHARED_KEY_TYPE, data: { [PRESHARED_KEY_ENTRY]: first } });
    await expect.poll(version).toBeDefined();
    const before = await version();
    await changeStrangers(admin, namespace);
    await admin.patch(secretType, at(PSK), { data: { [PRESHARED_KEY_ENTRY]: second } });
    await expect.poll(version).not.toBe(before);
    const sets = () => heard.filter(({ text }) => text.includes(second) && text.includes(`${KEY}.preshared-keys`));
    await expect.poll(() => sets().length).toBeGreaterThan(0);

    const told = heard.filter(({ path }) => path.includes('/secrets')).flatMap(({ text }) => namesIn(text));
    expect([...new Set(told)].sort()).toEqual([PSK, KEY, `${KEY}.keys`, `${KEY}.preshared-keys`]);
    expect(heard.filter(({ text }) => text.includes(STRANGERS_WORD))).toEqual([]);
  });
}

function transportTo({ url, token, ca }: RealApiServer, headers: Readonly<Record<string, string>>): Transport {
  const credentials = async () => ({ headers: { authorization: `Bearer ${token}`, ...headers }, tls: { ca } });
  return createTransport({ server: new URL(url), namespace: 'default', credentials }, { userAgent: 'test' });
}

/** A transport that keeps all that it is told. */
function recorded(transport: Transport): { readonly transport: Transport; readonly heard: readonly Heard[] } {
  const heard: Heard[] = [];
  const request: Transport['request'] = async (asked) => {
    const answer = await transport.request(asked);
    heard.push({ path: asked.path, text: JSON.stringify(answer) });
    return answer;
  };
  const stream: Transport['stream'] = (asked, options) => {
    const onLine = (text: string) => {
      heard.push({ path: asked.path, text });
      options.onLine(text);
    };
    return transport.stream(asked, { ...options, onLine });
  };
  return { transport: { ...transport, request, stream }, heard };
}

/** An operator that leads at once; the answer ends it. */
function startOperator(transport: Transport, { namespace, config }: Given): () => Promise<void> {
  const ending = new AbortController();
  const client = createClient(transport);
  const [clock, log] = [systemClock, createLog({ level: 'silent' })];
  const events = createEventRecorder(client, { controller: 'sallyport.dev/operator', instance: 'test', clock });
  const leadership = { transport, client, events, clock, log, audit: log, config, namespace };
  const leading = lead({ ...leadership, randomBytes: (length) => randomBytes(length) }, ending.signal);
  return async () => {
    ending.abort();
    await leading;
    transport.close();
  };
}

function aStranger(place: { readonly name: string; readonly namespace: string }, type: string) {
  const labels = { [GATEWAY_LABEL]: GATEWAY, [MANAGED_BY_LABEL]: OPERATOR_MANAGER };
  const data = { [PRIVATE_KEY_ENTRY]: STRANGERS_WORD, username: STRANGERS_WORD };
  return { metadata: { ...place, labels, annotations: { word: STRANGERS_WORD } }, type, data };
}

async function changeStrangers(admin: Client, namespace: string): Promise<void> {
  for (const [name, type] of STRANGERS) {
    await admin.patch(secretType, { name, namespace }, { metadata: { annotations: { changed: `${Date.now()}` } } });
    await admin.delete(secretType, { name, namespace });
    await admin.create(secretType, aStranger({ name, namespace }, type));
  }
}

/** The names of the objects in an answer, in a list or in a line of a watch; of a bookmark and a Status none. */
function namesIn(text: string): readonly string[] {
  const { object, ...answer } = JSON.parse(text);
  const { items, ...single } = object ?? answer;
  const objects: readonly { readonly kind?: string; readonly metadata?: { readonly name?: string } }[] = items ?? [
    single,
  ];
  return objects.flatMap(({ kind, metadata }) => (kind === 'Status' ? [] : (metadata?.name ?? [])));
}

function newKey(): string {
  return base64(randomBytes(32).toString('base64'));
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

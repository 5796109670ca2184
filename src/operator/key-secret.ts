import { isTrue } from '../api/conditions.ts';
import type { Secret } from '../api/core.ts';
import { secretType } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import {
  childName,
  gatewayKeysName,
  KEY_REQUEST_ANNOTATION,
  MANAGED_BY_LABEL,
  OPERATOR_MANAGER,
  PRIVATE_KEY_ENTRY,
} from '../api/names.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { isAlreadyExists } from '../k8s/errors.ts';
import { placeWithOwnPort } from '../mesh/endpoints.ts';
import {
  type HeldKeys,
  judgeKeys,
  type KeyJudgement,
  type KeyObstacle,
  type Supplied,
  servesKey,
} from '../mesh/gateway-keys.ts';
import { otherSlot } from '../mesh/key-slots.ts';
import type { MeshView } from '../mesh/view.ts';
import { type PrivateKey, type PublicKey, parsePrivateKey } from '../net/key.ts';
import { keyPairFrom, publicKeyOf } from '../net/key-pair.ts';
import { type Parsed, parsed, refused } from '../net/parsed.ts';
import type { AppliedChildren } from './applied-children.ts';
import { gatewayKeySecret, gatewayKeysSecret } from './children.ts';
import type { KeyStores } from './gateway-secrets.ts';
import { type KeyRecord, recordIn, recordText } from './key-record.ts';

export interface KeySecrets {
  readonly secrets: KeyStores;
  readonly client: Client;
  readonly children: AppliedChildren;
  readonly view: Pick<MeshView, 'gateways' | 'nodes' | 'nodesOf' | 'claims'>;
  readonly namespace: string;
  /** MeshPeers that have not come by a key of the gateway's that came after this one. */
  readonly lingeringAt: (key: PublicKey) => readonly string[];
  /** Cryptographically strong. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The gateway's key as devices are told it, or why it has none; and what becomes of its keys. */
export interface GatewayKeys {
  readonly key: Parsed<PublicKey>;
  readonly keys?: KeyJudgement | undefined;
}

/**
 * Decides about the gateway's keys and brings them into the Secret that its nodes mount. The Secret of the gateway itself is adopted as
 * it is, whoever made it (Vault, Sealed Secrets, an earlier installation), and never overwritten but at request; without one, for a gateway
 * that never had a key, one is made. What nodes mount is a copy, so that nothing ends when that Secret does.
 */
export async function gatewayKeys(gateway: MeshGateway, context: KeySecrets): Promise<GatewayKeys> {
  const { secrets, namespace } = context;
  const { name } = gateway.metadata;
  // Nobody has been told the key of a gateway that never served, so it is not held on to.
  const hasServed = isTrue(gateway.status?.conditions ?? [], 'Accepted') || context.view.nodesOf(name).length > 0;
  const copy = secrets.copy.get(`${namespace}/${gatewayKeysName(name)}` as ObjectKey);
  const record = hasServed ? recordIn(copy) : undefined;
  const seen = secrets.own.get(`${namespace}/${childName(name)}` as ObjectKey);
  // Each of the two is followed by itself, so the copy may be seen before the Secret that it was made of.
  const own = seen ?? (record && (await context.client.get(secretType, childName(name), namespace)));
  const source = own ?? (record === undefined ? await made(gateway, context) : undefined);
  const privateKey = source === undefined ? undefined : privateKeyIn(source);
  if (record === undefined && privateKey?.ok === false)
    return { key: refused(`${privateKey.problem}, or delete the Secret to have a new key made`) };
  const supplied = suppliedBy(privateKey);
  const held = record?.held ?? firstKeys(gateway, supplied);
  if (held === undefined) return { key: refused(`Secret ${namespace}/${childName(name)} is not there yet`) };
  const wish = await heed(gateway, { own, record, held }, context);
  const keys = judgeKeys(
    {
      gateway,
      held,
      supplied,
      nodes: context.view.nodesOf(name),
      lingering: held.other?.state === 'Former' ? context.lingeringAt(held.other.publicKey) : [],
      obstacle: obstacleTo(gateway, supplied, held, context),
      refusedRequest: wish.refused,
    },
    context.now,
  );
  await store(gateway, keys.held, { record, privateKey, request: wish.heeded }, context);
  return { key: parsed(keys.held.current.publicKey), keys };
}

/** A gateway that has never been told a slot begins in the first; one whose copy was lost goes on where its status says. */
function firstKeys({ status }: MeshGateway, supplied: Supplied): HeldKeys | undefined {
  if (supplied.kind !== 'key') return undefined;
  const { publicKey } = supplied;
  const known = status?.keys?.find((key) => key.publicKey === publicKey)?.slot;
  return { current: { publicKey, slot: known === 2 ? 2 : 1 } };
}

function suppliedBy(privateKey: Parsed<PrivateKey> | undefined): Supplied {
  if (privateKey === undefined) return { kind: 'missing' };
  return privateKey.ok
    ? { kind: 'key', publicKey: publicKeyOf(privateKey.value) }
    : { kind: 'invalid', problem: privateKey.problem };
}

/** Devices tell gateways apart by key, nodes a gateway from its devices; and where hosts have ports of their own, nobody knows how the other port is reached. */
function obstacleTo(
  gateway: MeshGateway,
  supplied: Supplied,
  { current, other }: HeldKeys,
  { view }: KeySecrets,
): KeyObstacle | undefined {
  if (supplied.kind !== 'key' || supplied.publicKey === current.publicKey) return undefined;
  const { publicKey } = supplied;
  const owner = view.gateways.find(
    (one) =>
      one.metadata.name !== gateway.metadata.name &&
      one.metadata.deletionTimestamp === undefined &&
      servesKey(one, publicKey),
  );
  if (owner !== undefined)
    return {
      reason: 'KeyTaken',
      message: `The key in this gateway's Secret is that of MeshGateway ${owner.metadata.name}, and devices tell gateways apart by key; put another one there.`,
    };
  // A key that the nodes have already is the gateway's, and a MeshPeer that asks for it is refused.
  const device = other?.publicKey === publicKey ? undefined : view.claims.winnerOf(publicKey);
  if (device !== undefined)
    return {
      reason: 'KeyTaken',
      message: `The key in this gateway's Secret is that of MeshPeer ${keyOf(device.metadata)}, and WireGuard lets nobody in by its own key; put another one there.`,
    };
  const place = otherSlot(current.slot) === 2 ? placeWithOwnPort(gateway, view.nodes) : undefined;
  if (place === undefined) return undefined;
  return {
    reason: 'SecondPortUnknown',
    message: `Another key is served on a UDP port of its own, and ${place}, from which it is not known how devices reach that one; name it in spec.keyRotation.hosts.`,
  };
}

interface Wished {
  readonly own: Secret | undefined;
  readonly record: KeyRecord | undefined;
  readonly held: HeldKeys;
}

/**
 * Fulfils a wish for a new key, where the Secret is gone, or the operator's own and nothing is under way. That a wish was fulfilled stands in the
 * Secret and in the record: the one may come back from an older backup, the other is written later.
 */
async function heed(
  gateway: MeshGateway,
  { own, record, held }: Wished,
  context: KeySecrets,
): Promise<{ readonly heeded: string | undefined; readonly refused?: string }> {
  const wish = gateway.spec.keyRotation.request;
  const told = own?.metadata.annotations?.[KEY_REQUEST_ANNOTATION];
  const heeded = record?.request ?? told;
  if (wish === undefined || wish === heeded) return { heeded };
  if (wish === told) return { heeded: wish };
  // A gateway that is new has a new key.
  if (record === undefined) return { heeded: wish };
  if (own !== undefined && own.metadata.labels?.[MANAGED_BY_LABEL] !== OPERATOR_MANAGER)
    return {
      heeded,
      refused: `spec.keyRotation.request asks for a new key, but Secret ${own.metadata.name} was not made by Sallyport; put another key there, where it comes from, or take the request back.`,
    };
  if (own === undefined || held.other === undefined) await renew(gateway, own, context);
  return { heeded };
}

/** Puts a new key into the gateway's Secret, together with the wish that it fulfils, so that it is fulfilled once. */
async function renew(
  gateway: MeshGateway,
  own: Secret | undefined,
  { client, namespace, randomBytes }: KeySecrets,
): Promise<void> {
  const secret = gatewayKeySecret(gateway, namespace, keyPairFrom(randomBytes(32)).privateKey);
  if (own === undefined) {
    await client.create(secretType, secret);
    return;
  }
  const { annotations = {}, name } = { annotations: {}, ...secret.metadata };
  // With the version that was seen: whoever wrote it since, this operator included, must not be overwritten.
  const metadata = { annotations, resourceVersion: own.metadata.resourceVersion };
  await client.patch(secretType, { name, namespace }, { metadata, data: secret.data });
}

/** The Secret of a gateway that has none. */
async function made(gateway: MeshGateway, { client, namespace, randomBytes }: KeySecrets): Promise<Secret> {
  const { privateKey } = keyPairFrom(randomBytes(32));
  try {
    return await client.create(secretType, gatewayKeySecret(gateway, namespace, privateKey));
  } catch (error) {
    // The store lags behind, or somebody supplied one this very moment: theirs counts.
    if (!isAlreadyExists(error)) throw error;
    const theirs = await client.get(secretType, childName(gateway.metadata.name), namespace);
    if (theirs === undefined) throw error;
    return theirs;
  }
}

interface Stored {
  readonly record: KeyRecord | undefined;
  readonly privateKey: Parsed<PrivateKey> | undefined;
  readonly request: string | undefined;
}

/** Before anybody is told: what was decided must outlive this operator. */
async function store(
  gateway: MeshGateway,
  held: HeldKeys,
  { record, privateKey, request }: Stored,
  { children, secrets, namespace }: KeySecrets,
): Promise<void> {
  const known = new Map(record?.keys);
  if (privateKey?.ok === true) known.set(publicKeyOf(privateKey.value), privateKey.value);
  const keys = new Map<PublicKey, PrivateKey>();
  for (const { publicKey } of [held.current, held.other].filter((key) => key !== undefined)) {
    const half = known.get(publicKey);
    if (half !== undefined) keys.set(publicKey, half);
  }
  const wanted = gatewayKeysSecret(gateway, namespace, { keys, record: recordText({ held, request }) });
  await children.apply(secretType, secrets.copy, wanted);
}

function privateKeyIn(secret: Secret): Parsed<PrivateKey> {
  const where = `Secret ${secret.metadata.namespace}/${secret.metadata.name}`;
  const entry = secret.data[PRIVATE_KEY_ENTRY];
  if (entry === undefined)
    return refused(`${where} has no entry ${PRIVATE_KEY_ENTRY}; put the gateway's private key there`);
  const key = parsePrivateKey(Buffer.from(entry, 'base64').toString('utf8'));
  if (key.ok) return key;
  return refused(`${where}, entry ${PRIVATE_KEY_ENTRY}: ${key.problem}`);
}

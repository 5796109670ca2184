import { type Reason, type Verdict, verdict } from '../api/conditions.ts';
import { durationMs } from '../api/fields.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { childName } from '../api/names.ts';
import { timestamp } from '../api/timestamp.ts';
import type { PublicKey } from '../net/key.ts';
import { type KeySlot, otherSlot, slotOf } from './key-slots.ts';
import { type GatewayNode, isProgrammed, some } from './view.ts';

/** A key by its public half, with the slot that it has for life. */
export interface HeldKey {
  readonly publicKey: PublicKey;
  readonly slot: KeySlot;
}

/** The key that holds a while longer. Times are in milliseconds since the epoch. */
export interface FormerKey extends HeldKey {
  readonly state: 'Former';
  /** When devices were told the other one. */
  readonly since: number;
  /** Whether it came to the nodes after the one that devices are told, which was put back: nobody need move for that. */
  readonly isNewer?: true | undefined;
  /** Since when nobody has needed it any more. */
  readonly unusedSince?: number | undefined;
}

/** The keys of a gateway, at most two: never does a third one come before the first has ended. */
export interface HeldKeys {
  /** The one that devices are told. */
  readonly current: HeldKey;
  readonly other?: FormerKey | (HeldKey & { readonly state: 'Next' }) | undefined;
}

/** What the gateway's Secret holds now. */
export type Supplied =
  | { readonly kind: 'key'; readonly publicKey: PublicKey }
  | { readonly kind: 'missing' }
  | { readonly kind: 'invalid'; readonly problem: string };

/** Everything that a decision about a gateway's keys looks at. */
export interface KeyFindings {
  readonly gateway: MeshGateway;
  readonly held: HeldKeys;
  readonly supplied: Supplied;
  readonly nodes: readonly GatewayNode[];
  /** MeshPeers that have not come by the current key yet and may need the former one, as NAMESPACE/NAME. */
  readonly lingering: readonly string[];
  /** Why the supplied key cannot follow, if it cannot: a sentence with the remedy. */
  readonly obstacle?: KeyObstacle | undefined;
  /** A wish for a new key (spec.keyRotation.request) that cannot be fulfilled, as a sentence. */
  readonly refusedRequest?: string | undefined;
}

/** Why a key that was supplied cannot be served. */
export interface KeyObstacle {
  readonly reason: Extract<KeyReason, 'KeyTaken' | 'SecondPortUnknown'>;
  readonly message: string;
}

/** What is decided about a gateway's keys at a moment. */
export interface KeyJudgement {
  readonly held: HeldKeys;
  readonly verdict: Verdict<'MeshGateway'>;
  readonly lingering: readonly string[];
  /** When time alone changes it, in milliseconds since the epoch. */
  readonly until?: number | undefined;
}

type KeyReason = Reason<'MeshGateway', 'KeyApplied'>;

/** Nobody needs the former key any more; so long it is waited whether somebody comes by it all the same. */
const QUIET_MS = 10 * 60_000;

/**
 * Where a gateway's keys go from here. Another key in the Secret is served beside the present one first; once every node that serves
 * has it, devices are told, and the one before holds until its time has come or everybody has come by the new one.
 */
export function judgeKeys(findings: KeyFindings, now: number): KeyJudgement {
  const held = nextKeys(findings, now);
  return {
    held,
    verdict: keyVerdict(findings, held),
    lingering: lingeringOf(findings, held),
    until: nextTime(findings.gateway, held),
  };
}

/** Whether the key is the gateway's: the one that devices are told, the next one or the former one. */
export function servesKey({ status }: MeshGateway, key: PublicKey): boolean {
  return status?.publicKey === key || status?.keys?.some(({ publicKey }) => publicKey === key) === true;
}

/** When the former key ends, whoever still uses it. */
export function endOf({ spec }: MeshGateway, { since }: FormerKey): number {
  return since + durationMs(spec.keyRotation.overlap);
}

function nextKeys({ gateway, held, supplied, nodes, lingering, obstacle }: KeyFindings, now: number): HeldKeys {
  const { current, other } = held;
  const wanted = supplied.kind === 'key' ? supplied.publicKey : undefined;
  if (other?.state === 'Former') {
    // Whoever puts the former key back has a reason, and both are on every node.
    if (wanted === other.publicKey) return told(other, current, now);
    const counted = { ...other, unusedSince: lingering.length > 0 ? undefined : (other.unusedSince ?? now) };
    return hasEnded(gateway, counted, now) ? { current } : { current, other: counted };
  }
  if (wanted === undefined || obstacle !== undefined) return held;
  if (wanted === current.publicKey) return { current };
  if (other?.publicKey !== wanted)
    return { current, other: { publicKey: wanted, slot: otherSlot(current.slot), state: 'Next' } };
  return isServed(other.publicKey, nodes) ? told(other, current, now) : held;
}

function told(next: NonNullable<HeldKeys['other']>, before: HeldKey, now: number): HeldKeys {
  const { publicKey, slot } = next;
  // Of two keys the newer one stays that, however often the one takes the place of the other.
  const isNewer = next.state === 'Former' && next.isNewer !== true;
  const former = { ...before, state: 'Former', since: now } as const;
  return { current: { publicKey, slot }, other: isNewer ? { ...former, isNewer } : former };
}

function hasEnded(gateway: MeshGateway, former: FormerKey, now: number): boolean {
  const { unusedSince = now } = former;
  return now >= endOf(gateway, former) || now - unusedSince >= QUIET_MS;
}

/** Nodes that are dead serve nobody; without any that lives nobody would know. */
function isServed(key: PublicKey, nodes: readonly GatewayNode[]): boolean {
  const alive = nodes.filter((node) => node.alive);
  return alive.length > 0 && alive.every((node) => isProgrammed(node) && hasKey(key, node));
}

function hasKey(key: PublicKey, { report: { status } }: GatewayNode): boolean {
  return status?.publicKey === key || status?.otherPublicKey === key;
}

function lingeringOf({ lingering }: KeyFindings, { other }: HeldKeys): readonly string[] {
  return other?.state === 'Former' ? lingering : [];
}

function nextTime(gateway: MeshGateway, { other }: HeldKeys): number | undefined {
  if (other?.state !== 'Former') return undefined;
  const { unusedSince = Number.POSITIVE_INFINITY } = other;
  return Math.min(endOf(gateway, other), unusedSince + QUIET_MS);
}

function keyVerdict(findings: KeyFindings, held: HeldKeys): Verdict<'MeshGateway'> {
  const { gateway, supplied, obstacle, refusedRequest } = findings;
  const say = (status: 'True' | 'False', reason: KeyReason, message: string) =>
    verdict('MeshGateway', 'KeyApplied', status, reason, message);
  const { current, other } = held;
  const name = childName(gateway.metadata.name);
  const keeps = `devices go on with the key ${current.publicKey}`;
  if (supplied.kind === 'missing')
    return say(
      'False',
      'SecretMissing',
      `Secret ${name} is gone; ${keeps}, of which Sallyport keeps a copy. Put it back (kubectl apply, or whatever supplies it), or set spec.keyRotation.request to another value to have a new key made.`,
    );
  if (supplied.kind === 'invalid') return say('False', 'SecretInvalid', `${supplied.problem}; ${keeps} meanwhile.`);
  const isOther = supplied.publicKey !== current.publicKey;
  if (isOther && obstacle !== undefined)
    return say('False', obstacle.reason, `${obstacle.message} Meanwhile ${keeps}.`);
  if (isOther && other?.state === 'Former')
    return say(
      'False',
      'AnotherWaits',
      `Another key is in Secret ${name} and waits until the former one has ended: at ${timestamp(endOf(gateway, other))}, earlier once nobody uses it, or now if spec.keyRotation.overlap is set to 0s.`,
    );
  if (isOther)
    return say('False', 'WaitingForNodes', `${waitingFor(supplied.publicKey, findings)} Until then ${keeps}.`);
  if (refusedRequest !== undefined) return say('False', 'RequestRefused', refusedRequest);
  if (other?.state === 'Former') return say('True', 'Rotating', rotating(findings, held, other));
  const { listenPort } = slotOf(gateway, current.slot);
  return say('True', 'Applied', `Devices use the key in Secret ${name}, on UDP port ${listenPort}.`);
}

function waitingFor(key: PublicKey, { nodes }: KeyFindings): string {
  const alive = nodes.filter((node) => node.alive);
  const behind = alive
    .filter((node) => !hasKey(key, node) || !isProgrammed(node))
    .map(({ report }) => report.spec.node);
  const who = alive.length === 0 ? 'no node is up' : `waiting for ${some(behind)}`;
  return `Another key (${key}) is on its way to the nodes; ${who}, for about a minute and a half at most, unless something keeps it from the node: then its MeshGatewayNode says so (InterfaceUp).`;
}

function rotating({ gateway, lingering }: KeyFindings, { current }: HeldKeys, former: FormerKey): string {
  const port = (slot: KeySlot) => slotOf(gateway, slot).listenPort;
  const who =
    lingering.length === 0
      ? 'Nobody is known to need it'
      : `${lingering.length} MeshPeer${lingering.length === 1 ? ' has' : 's have'} not come by the new key yet: ${some([...lingering].sort())}`;
  return `Devices are told the key ${current.publicKey} on UDP port ${port(current.slot)}; the former one, ${former.publicKey} on port ${port(former.slot)}, ends at ${timestamp(endOf(gateway, former))}, earlier once everybody has left it. ${who}.`;
}

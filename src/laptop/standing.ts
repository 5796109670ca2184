import { findCondition } from '../api/conditions.ts';
import type { MeshPeer } from '../api/meshpeer.ts';

/** How far the cluster is with a MeshPeer, as somebody who waits for it wants to know. */
export type Standing =
  | { readonly kind: 'waiting'; readonly text: string }
  | { readonly kind: 'refused'; readonly text: string }
  /** Let in and known to every gateway node; or known to some, with what is missing. */
  | { readonly kind: 'ready'; readonly config: string; readonly but?: string | undefined };

/** The standing of the peer as it is stored now, for the key that it shall have. */
export function standingOf({ metadata, spec, status }: MeshPeer, publicKey: string): Standing {
  const conditions = status?.conditions ?? [];
  const accepted = findCondition(conditions, 'Accepted');
  if (accepted === undefined || status?.observedGeneration !== metadata.generation || spec.publicKey !== publicKey)
    return { kind: 'waiting', text: 'the operator to look at it' };
  if (accepted.status === 'False') return { kind: 'refused', text: accepted.message };
  if (status?.config === undefined)
    return { kind: 'waiting', text: 'a gateway with an endpoint (kubectl describe meshgateways)' };
  const programmed = findCondition(conditions, 'Programmed');
  if (programmed?.status === 'True') return { kind: 'ready', config: status.config };
  const missing = programmed?.message ?? 'The gateway nodes have not heard of it yet.';
  return { kind: 'waiting', text: `the gateway nodes: ${missing}` };
}

/** What to do when the patience is over: a device that some gateway nodes know can begin. */
export function withoutPatience(peer: MeshPeer, standing: Standing, seconds: number): Standing {
  const { config } = peer.status ?? {};
  if (standing.kind !== 'waiting') return standing;
  const after = `${seconds} s were not enough for ${standing.text}`;
  return config === undefined ? { kind: 'refused', text: after } : { kind: 'ready', config, but: after };
}

/** The standing of the key that the peer asks for beside its own, as it is stored now. */
export function standingOfNextKey(
  { metadata, status }: MeshPeer,
  nextPublicKey: string,
): Exclude<Standing, { readonly kind: 'ready' }> | { readonly kind: 'ready' } {
  const conditions = status?.conditions ?? [];
  const [accepted, inUse] = ['Accepted', 'NextKeyInUse'].map((type) => findCondition(conditions, type));
  if (accepted === undefined || status?.observedGeneration !== metadata.generation)
    return { kind: 'waiting', text: 'the operator to look at it.' };
  if (accepted.status === 'False') return { kind: 'refused', text: accepted.message };
  if (status?.nextPublicKey !== nextPublicKey)
    return inUse === undefined
      ? { kind: 'waiting', text: 'the operator to take the next key.' }
      : { kind: 'refused', text: inUse.message };
  const programmed = findCondition(conditions, 'Programmed');
  if (programmed?.status === 'True') return { kind: 'ready' };
  const missing = programmed?.message ?? 'The gateway nodes have not heard of it yet.';
  return { kind: 'waiting', text: `the gateway nodes: ${missing}` };
}

import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { PEER_ANNOTATION, PRESHARED_KEY_ENTRY, PRESHARED_KEY_TYPE } from '../api/names.ts';
import { keyOf } from '../api/resource.ts';
import type { PeerViolation, Verdicts } from './peer-checks.ts';
import type { MeshView } from './view.ts';

/**
 * So many peers of one gateway may have a preshared key. They reach its nodes in one Secret, of which etcd stores 1.5 MiB: an entry
 * takes about 90 bytes, half of them for the API server's own record of who wrote it.
 */
export const MOST_PRESHARED_KEYS = 10_000;

/**
 * The version of the preshared key that the peer must use; undefined when it asks for none. A peer that asks for one which it
 * cannot have is refused: without its key it would be let in with less than was asked for.
 */
export function ownPresharedKey(
  view: MeshView,
  peer: MeshPeer,
  gateways: readonly MeshGateway[],
): Verdicts<string | undefined> {
  const name = peer.spec.presharedKeySecretName;
  if (name === undefined) return { value: undefined };
  const offered = view.presharedKeys.offered(name);
  if (offered === undefined) return { violation: notFound(view, peer, name) };
  if (offered.peer !== keyOf(peer.metadata)) return { violation: notGranted(view, peer, name) };
  if (offered.problem !== undefined) return { violation: invalid(view, name, offered.problem) };
  const full = gateways.find(({ metadata }) => view.presharedKeys.countAt(metadata.name) >= MOST_PRESHARED_KEYS);
  if (full !== undefined && peer.status?.presharedKeyVersion === undefined)
    return { violation: exhausted(full.metadata.name) };
  return { value: offered.version };
}

function notFound(view: MeshView, peer: MeshPeer, name: string): PeerViolation {
  const { namespace } = view.presharedKeys;
  const create = `wg genpsk > ${PRESHARED_KEY_ENTRY} && kubectl -n ${namespace} create secret generic ${name} --type=${PRESHARED_KEY_TYPE} --from-file=${PRESHARED_KEY_ENTRY} && ${annotate(view, peer, name)}`;
  return {
    reason: 'PresharedKeyNotFound',
    message: `spec.presharedKeySecretName names ${name}, but namespace ${namespace} has no Secret of that name with type ${PRESHARED_KEY_TYPE}; have a platform engineer make it: ${create} (a Secret of another type in its place must be deleted first).`,
  };
}

/** It does not say whose it is: that is nobody's business but theirs. */
function notGranted(view: MeshView, peer: MeshPeer, name: string): PeerViolation {
  return {
    reason: 'PresharedKeyNotGranted',
    message: `Secret ${view.presharedKeys.namespace}/${name} is not for this MeshPeer: its annotation ${PEER_ANNOTATION} says so of one only; name the Secret that is, or have a platform engineer give it to this one: ${annotate(view, peer, name)} --overwrite.`,
  };
}

function invalid(view: MeshView, name: string, problem: string): PeerViolation {
  const { namespace } = view.presharedKeys;
  const replace = `wg genpsk > ${PRESHARED_KEY_ENTRY} && kubectl -n ${namespace} patch secret ${name} -p "{"data":{"${PRESHARED_KEY_ENTRY}":"$(base64 -w0 ${PRESHARED_KEY_ENTRY})"}}"`;
  return {
    reason: 'PresharedKeyInvalid',
    message: `Secret ${namespace}/${name}, entry ${PRESHARED_KEY_ENTRY}: ${problem}; have a platform engineer replace it: ${replace}.`,
  };
}

function exhausted(gateway: string): PeerViolation {
  return {
    reason: 'PresharedKeysExhausted',
    message: `MeshGateway ${gateway} has ${MOST_PRESHARED_KEYS} devices with a preshared key, and its nodes can be brought no more; set spec.gateways to another gateway, delete MeshPeers that are no longer used, or leave spec.presharedKeySecretName out.`,
  };
}

function annotate({ presharedKeys }: MeshView, { metadata }: MeshPeer, name: string): string {
  return `kubectl -n ${presharedKeys.namespace} annotate secret ${name} ${PEER_ANNOTATION}=${keyOf(metadata)}`;
}

import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf } from '../api/resource.ts';
import { type PublicKey, parsePublicKey } from '../net/key.ts';
import { servesKey } from './gateway-keys.ts';
import type { Verdicts } from './peer-checks.ts';
import type { MeshView } from './view.ts';

/** The key that the peer asks for, if it may have it. */
export function ownKey(view: MeshView, peer: MeshPeer): Verdicts<PublicKey> {
  return keyIn(view, peer, 'publicKey', peer.spec.publicKey);
}

/** The key that the peer changes to, if it changes and may have it; undefined when it does not. */
export function ownNextKey(view: MeshView, peer: MeshPeer): Verdicts<PublicKey | undefined> {
  const { publicKey, nextPublicKey } = peer.spec;
  // The API server refuses this, as far as it runs this version's definition.
  if (nextPublicKey === undefined || nextPublicKey === publicKey) return { value: undefined };
  return keyIn(view, peer, 'nextPublicKey', nextPublicKey);
}

function keyIn(
  view: MeshView,
  peer: MeshPeer,
  field: 'publicKey' | 'nextPublicKey',
  text: string,
): Verdicts<PublicKey> {
  const key = parsePublicKey(text);
  if (!key.ok) return { violation: { reason: 'InvalidKey', message: `spec.${field}: ${key.problem}.` } };
  // WireGuard takes no peer with the key of the interface itself, and says nothing.
  const gateway = view.gateways.find((one) => servesKey(one, key.value));
  if (gateway !== undefined) {
    return {
      violation: {
        reason: 'InvalidKey',
        message: `spec.${field} is the key of MeshGateway ${gateway.metadata.name}, not of a device; print the device's own with \`wg pubkey < private.key\`.`,
      },
    };
  }
  const holder = view.claims.winnerOf(key.value);
  if (holder === undefined || keyOf(holder.metadata) === keyOf(peer.metadata)) return { value: key.value };
  return {
    violation: {
      reason: 'DuplicateKey',
      message: `spec.${field} already belongs to MeshPeer ${keyOf(holder.metadata)}; every device needs a key of its own: make one with \`sallyport key\` on this device.`,
    },
  };
}

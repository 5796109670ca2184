/** Every name that Sallyport gives to something in a cluster or on a node stands here, so that none is spelt twice. */

export const GROUP = 'sallyport.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Field manager of the operator's server-side applies. */
export const OPERATOR_MANAGER = 'sallyport-operator';
/** Field manager of the agents' server-side applies. */
export const AGENT_MANAGER = 'sallyport-agent';

/** On a MeshGateway until every node that can still answer has removed what it made. */
export const CLEANUP_FINALIZER = `${GROUP}/cleanup`;

/** On everything that belongs to one gateway; the value is the gateway's name. */
export const GATEWAY_LABEL = `${GROUP}/gateway`;

export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const NAME_LABEL = 'app.kubernetes.io/name';
export const COMPONENT_LABEL = 'app.kubernetes.io/component';

/** The port that WireGuard listens on unless the gateway says otherwise: 51820, 51821 and 51871 belong to Calico and Cilium on many nodes. */
export const DEFAULT_LISTEN_PORT = 51840;

/** On a Node: where devices reach it, HOST or HOST:PORT, several with commas between them. */
export const ENDPOINT_ANNOTATION = `${GROUP}/endpoint`;

/** The mesh pool unless the chart says otherwise: not 100.64.0.0/10, which laptops with Tailscale drop. */
export const DEFAULT_POOL = '10.213.0.0/16';

/** The key under which a gateway's Secret holds the private key. */
export const PRIVATE_KEY_ENTRY = 'privateKey';

/** On a gateway's Secret: the `spec.keyRotation.request` that its key answers. */
export const KEY_REQUEST_ANNOTATION = `${GROUP}/key-request`;

/** On the Secret that brings a gateway's keys to its nodes: which of them is what. */
export const KEYS_ANNOTATION = `${GROUP}/keys`;

/** The Secret that brings a gateway's keys to its nodes. Gateway names have no dot, so it is never another gateway's `childName`. */
export function gatewayKeysName(gateway: string): string {
  return `${childName(gateway)}.keys`;
}

/** The type of a Secret that holds the preshared key of one MeshPeer, in the operator's namespace; no other Secret is taken for one. */
export const PRESHARED_KEY_TYPE = `${GROUP}/preshared-key`;

/** The key under which such a Secret holds it. */
export const PRESHARED_KEY_ENTRY = 'presharedKey';

/** On such a Secret: NAMESPACE/NAME of the one MeshPeer that may use it. */
export const PEER_ANNOTATION = `${GROUP}/peer`;

/** The type of the Secret that brings the preshared keys of a gateway's peers to its nodes. */
export const PRESHARED_KEYS_TYPE = `${GROUP}/preshared-keys`;

/** The name of that Secret. Gateway names have no dot, so it is never another gateway's `childName`. */
export function presharedKeysName(gateway: string): string {
  return `${childName(gateway)}.preshared-keys`;
}

/** The Secret, DaemonSet, Service and DNSEndpoint of a gateway, in the operator's namespace. */
export function childName(gateway: string): string {
  return `sallyport-${gateway}`;
}

/** The MeshGatewayNode and the liveness Lease of one gateway on one node. Gateway names have no dot, so this is unambiguous. */
export function gatewayNodeName(gateway: string, node: string): string {
  return `${gateway}.${node}`;
}

/**
 * Linux allows 15 bytes for an interface's name (IFNAMSIZ - 1); longer ones end in a hash of the gateway's name, after an
 * underscore, which no gateway's name has, so that a hashed name is never another gateway's plain one.
 */
export function interfaceName(gateway: string): string {
  const plain = `wg-${gateway}`;
  return plain.length <= 15 ? plain : `wg-${gateway.slice(0, 7)}_${shortHash(gateway)}`;
}

/**
 * The interface of every second key of a gateway. It ends in an underscore and a digit, or in five characters after an underscore, as no
 * `interfaceName` does.
 */
export function otherInterfaceName(gateway: string): string {
  const plain = `wg-${gateway}_2`;
  return plain.length <= 15 ? plain : `wg-${gateway.slice(0, 6)}_${shortHash(gateway)}2`;
}

/** The gateway's nftables table in the inet family. DNS labels have no underscore, so this is unambiguous. */
export function tableName(gateway: string): string {
  return `sallyport_${gateway.replaceAll('-', '_')}`;
}

/** FNV-1a (32 bit), four base36 digits: distinguishes names, promises nothing else. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash.toString(36).padStart(4, '0').slice(-4);
}

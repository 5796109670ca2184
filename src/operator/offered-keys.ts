import { createHash } from 'node:crypto';
import type { Secret } from '../api/core.ts';
import { type MeshGatewayNode, MOST_WITHOUT_PRESHARED_KEY } from '../api/meshgatewaynode.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { PEER_ANNOTATION, PRESHARED_KEY_ENTRY } from '../api/names.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Change, Store } from '../k8s/store.ts';
import type { OfferedPresharedKey, PresharedKeys } from '../mesh/view.ts';
import { type PresharedKey, parsePresharedKey } from '../net/key.ts';
import { type Parsed, refused } from '../net/parsed.ts';
import { Admitted } from './admitted.ts';

export interface OfferedKeysOptions {
  /** The Secrets of the type for preshared keys in the namespace, and no others. */
  readonly secrets: Store<Secret>;
  readonly peers: Store<MeshPeer>;
  readonly namespace: string;
}

const VERSION_BYTES = 12;

/** The preshared keys that Secrets offer, and which peers have theirs at which gateway. The keys leave it by `keysAt` only. */
export class OfferedKeys implements PresharedKeys {
  readonly #options: OfferedKeysOptions;
  readonly #holders = new Admitted();
  /** Which peers name a Secret. */
  readonly #asking = new Map<string, Set<ObjectKey>>();
  readonly #asked = new Map<ObjectKey, string>();

  constructor(options: OfferedKeysOptions) {
    this.#options = options;
  }

  get namespace(): string {
    return this.#options.namespace;
  }

  offered(secret: string): OfferedPresharedKey | undefined {
    const found = this.#options.secrets.get(`${this.namespace}/${secret}` as ObjectKey);
    if (found === undefined) return undefined;
    const key = keyIn(found);
    return {
      peer: found.metadata.annotations?.[PEER_ANNOTATION],
      problem: key.ok ? undefined : key.problem,
      version: versionOf(found),
    };
  }

  countAt(gateway: string): number {
    return this.#holders.by(gateway).size;
  }

  /** Takes a peer's present state, or its absence, into account. */
  peerChanged(key: ObjectKey, peer: MeshPeer | undefined): void {
    this.#holders.set(key, peer?.status?.presharedKeyVersion === undefined ? undefined : peer);
    const before = this.#asked.get(key);
    const after = peer?.spec.presharedKeySecretName;
    if (before === after) return;
    if (before !== undefined) this.#asking.get(before)?.delete(key);
    if (after === undefined) this.#asked.delete(key);
    else {
      this.#asked.set(key, after);
      this.#asking.set(after, (this.#asking.get(after) ?? new Set()).add(key));
    }
  }

  /** The peers that name this Secret. */
  askingFor(secret: string): Iterable<ObjectKey> {
    return this.#asking.get(secret) ?? [];
  }

  /** The peers whose key has reached a node with this report, or is now missing there; all that have one, where a list was full. */
  reportChanged({ before, after }: Change<MeshGatewayNode>): Iterable<ObjectKey> {
    const [was, is] = [before, after].map((report) => report?.status?.withoutPresharedKey ?? []);
    if (was === undefined || is === undefined || was.length + is.length === 0) return [];
    if (Math.max(was.length, is.length) >= MOST_WITHOUT_PRESHARED_KEY)
      return this.#holders.by((after ?? before)?.spec.gateway ?? '');
    const [earlier, later] = [new Set(was), new Set(is)];
    return [...was.filter((key) => !later.has(key)), ...is.filter((key) => !earlier.has(key))] as ObjectKey[];
  }

  /** The keys of the peers that a gateway lets in, by version: of those whose Secret is still what was decided about. */
  keysAt(gateway: string): ReadonlyMap<string, PresharedKey> {
    const { peers, secrets } = this.#options;
    const keys = new Map<string, PresharedKey>();
    for (const holder of [...this.#holders.by(gateway)].sort()) {
      const { spec, status } = peers.get(holder) ?? {};
      const secret = secrets.get(`${this.namespace}/${spec?.presharedKeySecretName}` as ObjectKey);
      if (secret === undefined || versionOf(secret) !== status?.presharedKeyVersion) continue;
      const key = keyIn(secret);
      if (key.ok && secret.metadata.annotations?.[PEER_ANNOTATION] === holder) keys.set(versionOf(secret), key.value);
    }
    return keys;
  }
}

function keyIn({ data }: Secret): Parsed<PresharedKey> {
  const entry = data[PRESHARED_KEY_ENTRY];
  return entry === undefined
    ? refused('it is not there')
    : parsePresharedKey(Buffer.from(entry, 'base64').toString('utf8'));
}

/** From what the API server counts, not from the key: it stands in a status. Short, because a Secret holds ten thousand of them. */
function versionOf({ metadata: { uid, resourceVersion } }: Secret): string {
  const hash = createHash('sha256').update(`${uid} ${resourceVersion}`).digest();
  return hash.subarray(0, VERSION_BYTES).toString('base64url');
}

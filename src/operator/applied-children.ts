import { createHash } from 'node:crypto';
import { OPERATOR_MANAGER } from '../api/names.ts';
import { type KubernetesObject, keyOf, type ResourceType } from '../api/resource.ts';
import type { Client, Manifest } from '../k8s/client.ts';
import type { Store } from '../k8s/store.ts';

/**
 * Server-side applies that are sent only when they may change something: when what is wanted differs from what was last applied,
 * or when the object was changed or removed by somebody else since.
 */
export class AppliedChildren {
  readonly #client: Client;
  readonly #last = new Map<string, { readonly digest: string; readonly seen: string }>();

  constructor(client: Client) {
    this.#client = client;
  }

  async apply<T extends KubernetesObject>(type: ResourceType<T>, store: Store<T>, wanted: Manifest): Promise<void> {
    const key = keyOf(wanted.metadata);
    const slot = `${type.kind} ${key}`;
    const present = store.get(key);
    const digest = createHash('sha256').update(JSON.stringify(wanted)).digest('hex');
    const last = this.#last.get(slot);
    if (last?.digest === digest && last.seen === versionOf(present)) return;
    const applied = await this.#client.apply(type, ownedAsBefore(wanted, present), { fieldManager: OPERATOR_MANAGER });
    this.#last.set(slot, { digest, seen: versionOf(applied) });
  }
}

/**
 * Who owns the object already goes on to own it in the same way: earlier versions had children block their owner's deletion, and where
 * OwnerReferencesPermissionEnforcement is on, only who may delete an object may change that.
 */
function ownedAsBefore(wanted: Manifest, present: KubernetesObject | undefined): Manifest {
  const { ownerReferences: owners } = wanted.metadata;
  if (owners === undefined) return wanted;
  const asBefore = owners.map(
    (owner) => present?.metadata.ownerReferences?.find(({ uid }) => uid === owner.uid) ?? owner,
  );
  return { ...wanted, metadata: { ...wanted.metadata, ownerReferences: asBefore } };
}

/** The generation where a kind has one, because status alone moves the resourceVersion of a DaemonSet all the time. */
function versionOf(object: KubernetesObject | undefined): string {
  if (object === undefined) return 'absent';
  const { uid, generation, resourceVersion } = object.metadata;
  return `${uid} ${generation ?? resourceVersion}`;
}

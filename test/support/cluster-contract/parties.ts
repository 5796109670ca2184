import { configMapType } from '../../../src/api/core.ts';
import type { KubernetesObject, ResourceType } from '../../../src/api/resource.ts';
import type { Client } from '../../../src/k8s/client.ts';
import { type ReflectorOptions, startReflector } from '../../../src/k8s/reflector.ts';
import type { Store } from '../../../src/k8s/store.ts';
import type { Transport } from '../../../src/k8s/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

/** What each test of the contract works with. */
export interface Parties {
  readonly transport: Transport;
  readonly client: Client;
  /** A name that no other test uses. */
  fresh(): string;
}

/** It exists in every cluster. */
export const NAMESPACE = 'default';
/** Where an object of this name is. */
export const at = (name: string) => ({ name, namespace: NAMESPACE });
export const ME = { fieldManager: 'me' };

/** Follows what is selected while `during` runs; the second argument is what changed: `+name`, `~name`, `-name`. */
export async function following<T extends KubernetesObject = KubernetesObject>(
  transport: Transport,
  selection: Pick<ReflectorOptions, 'labelSelector'>,
  during: (store: Store<T>, changes: readonly string[]) => Promise<void>,
  type: ResourceType<T> = configMapType as unknown as ResourceType<T>,
): Promise<void> {
  const stop = new AbortController();
  const changes: string[] = [];
  const options = { ...selection, namespace: NAMESPACE, signal: stop.signal, clock: systemClock };
  const { store, stopped } = startReflector(transport, type, options);
  store.subscribe(({ before, after }) => {
    const sign = after === undefined ? '-' : before === undefined ? '+' : '~';
    changes.push(`${sign}${(after ?? before)?.metadata.name}`);
  });
  await store.whenSynced();
  try {
    await during(store, changes);
  } finally {
    stop.abort();
    await stopped;
  }
}

/** Resolves when this holds; looked at after each change of the store. */
export function until<T>(store: Store<T>, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds()) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = store.subscribe(look);
    look();
  });
}

import { type ConfigMap, configMapType } from '../../src/api/core.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import {
  type Reflector,
  type ReflectorNotice,
  type ReflectorOptions,
  startReflector,
} from '../../src/k8s/reflector.ts';
import type { Store } from '../../src/k8s/store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { FakeCluster } from '../support/fake-api-server/cluster.ts';

export const FIELD_MANAGER = { fieldManager: 'test' };

/** A ConfigMap in `default`, written straight into the fake's storage. */
export function put({ server }: FakeCluster, name: string, data: Readonly<Record<string, string>> = {}): void {
  const target = { name, namespace: 'default', status: false };
  server.collection(configMapType).apply(target, { metadata: { name }, data }, { manager: 'test', force: true });
}

/** Deletes it there. */
export function drop({ server }: FakeCluster, name: string): void {
  server.collection(configMapType).delete({ name, namespace: 'default', status: false }, {});
}

/** The key of such a ConfigMap. */
export function keyFor(name: string): ObjectKey {
  return `default/${name}` as ObjectKey;
}

export interface Watching extends Reflector<ConfigMap> {
  readonly notices: readonly ReflectorNotice[];
  readonly changes: readonly string[];
  /** Ends this reflector alone. */
  stop(): Promise<void>;
}

/** A reflector on the cluster's ConfigMaps that keeps what it says: `+name`, `~name`, `-name` for each change. */
export function watchConfigMaps(cluster: FakeCluster, options: Partial<ReflectorOptions> = {}): Watching {
  const notices: ReflectorNotice[] = [];
  const changes: string[] = [];
  const own = new AbortController();
  const reflector = startReflector(cluster.transport, configMapType, {
    clock: systemClock,
    random: () => 0,
    onNotice: (notice) => notices.push(notice),
    ...options,
    signal: AbortSignal.any([cluster.signal, own.signal]),
  });
  reflector.store.subscribe(({ before, after }) => {
    const sign = after === undefined ? '-' : before === undefined ? '+' : '~';
    changes.push(`${sign}${(after ?? before)?.metadata.name}`);
  });
  const stop = () => {
    own.abort();
    return reflector.stopped;
  };
  return { ...reflector, notices, changes, stop };
}

/** Resolves when the store's content satisfies this; looked at after each change. */
export function shows<T>(store: Store<T>, holds: (store: Store<T>) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds(store)) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = store.subscribe(look);
    look();
  });
}

import { type Secret, secretType } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { childName, gatewayKeysName } from '../api/names.ts';
import { type KubernetesObject, keyOf, type ObjectKey } from '../api/resource.ts';
import { startReflector } from '../k8s/reflector.ts';
import type { Store } from '../k8s/store.ts';
import type { Transport } from '../k8s/transport.ts';
import type { FollowingOptions } from './stores.ts';

export interface GatewaySecretsOptions extends FollowingOptions {
  readonly transport: Transport;
  readonly gateways: Store<MeshGateway>;
  /** The operator's own. */
  readonly namespace: string;
  /** Called when a Secret of this gateway has changed, and once when all of them have been looked for. */
  readonly onChange: (gateway: ObjectKey) => void;
}

/** The Secrets that hold a gateway's keys, each alone in its store. */
export interface KeyStores {
  /** The one that people supply, or the operator makes. */
  readonly own: Store<Secret>;
  /** The one that nodes mount. */
  readonly copy: Store<Secret>;
}

/**
 * Follows the Secrets with the keys of every gateway that there is, each by its name, as kubelets do: a supplied one bears no label or type
 * by which it could be told from Secrets that are none of Sallyport's business, and those are never asked for.
 */
export class GatewaySecrets {
  readonly #options: GatewaySecretsOptions;
  readonly #following = new Map<ObjectKey, { readonly stores: KeyStores; readonly end: () => void }>();

  constructor(options: GatewaySecretsOptions) {
    this.#options = options;
    const { gateways } = options;
    for (const [gateway] of gateways.entries()) this.#follow(gateway);
    gateways.subscribe(({ key, after }) => {
      if (after === undefined) this.#unfollow(key);
      else this.#follow(key);
    });
  }

  /** Undefined until it has been seen of each whether it is there: before, none may be taken for missing. */
  of({ metadata }: KubernetesObject): KeyStores | undefined {
    const stores = this.#following.get(keyOf(metadata))?.stores;
    return stores?.own.synced === true && stores.copy.synced ? stores : undefined;
  }

  #follow(gateway: ObjectKey): void {
    if (this.#following.has(gateway)) return;
    const { signal, onChange } = this.#options;
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    const named = (name: string) => {
      const store = this.#named(name, either);
      store.subscribe(() => onChange(gateway));
      return store;
    };
    const stores = { own: named(childName(gateway)), copy: named(gatewayKeysName(gateway)) };
    this.#following.set(gateway, { stores, end: () => ending.abort() });
    Promise.all([stores.own.whenSynced(), stores.copy.whenSynced()]).then(
      () => onChange(gateway),
      // It ended before: nobody is left to be told.
      () => undefined,
    );
  }

  #named(name: string, signal: AbortSignal): Store<Secret> {
    const { transport, namespace, clock, onNotice } = this.#options;
    return startReflector(transport, secretType, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      clock,
      signal,
      onNotice: (notice) => onNotice(notice, secretType),
    }).store;
  }

  #unfollow(gateway: ObjectKey): void {
    this.#following.get(gateway)?.end();
    this.#following.delete(gateway);
  }
}

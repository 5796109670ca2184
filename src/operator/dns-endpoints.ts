import { type DNSEndpoint, dnsEndpointType } from '../api/dns-endpoint.ts';
import { childName, GATEWAY_LABEL } from '../api/names.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { delay } from '../k8s/clock.ts';
import { startReflector } from '../k8s/reflector.ts';
import type { Store } from '../k8s/store.ts';
import type { Transport } from '../k8s/transport.ts';
import type { DnsSight } from '../mesh/dns-names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { FollowingOptions } from './stores.ts';

/** Definitions come and go with installations of external-dns. */
export const LOOK_EVERY_MS = 60_000;

/** No longer does a gateway wait for a list, which may be forbidden. */
const FIRST_LIST_MS = 5_000;

export interface DnsEndpointsOptions extends Pick<FollowingOptions, 'signal' | 'onNotice'> {
  readonly transport: Transport;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** The operator's own. */
  readonly namespace: string;
  /** Called when something has changed that may decide about names. */
  readonly onChange: () => void;
}

/** The DNSEndpoints of gateways, followed while the API server has such a resource, which it may begin and cease to have at any time. */
export class DnsEndpoints {
  readonly #options: DnsEndpointsOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #isUnserved = false;
  #following: { readonly store: Store<DNSEndpoint>; readonly end: () => void } | undefined;

  constructor(options: DnsEndpointsOptions) {
    this.#options = options;
  }

  /** Undefined while the API server has no such resource, or its objects have not been seen. */
  get store(): Store<DNSEndpoint> | undefined {
    const store = this.#following?.store;
    return store?.synced === true ? store : undefined;
  }

  /** What is known about a gateway's object now, after a look at the API server where the last one was a while ago. */
  async sight(gateway: string): Promise<DnsSight> {
    // Gateways that are decided at the same time share one look.
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
    if (this.#isUnserved) return { kind: 'unserved' };
    const { store } = this;
    if (store === undefined) return { kind: 'unknown' };
    return { kind: 'served', object: store.get(`${this.#options.namespace}/${childName(gateway)}` as ObjectKey) };
  }

  async #look(): Promise<void> {
    const { client, clock, log } = this.#options;
    if (clock.monotonic() - this.#lookedAt < LOOK_EVERY_MS) return;
    try {
      const isServed = await client.discover(dnsEndpointType);
      this.#lookedAt = clock.monotonic();
      this.#isUnserved = !isServed;
      if (isServed) await this.#follow();
      else this.#unfollow();
    } catch (error) {
      // The gateways' nodes must not wait for an extension of the API server. What was known before goes on to hold.
      this.#lookedAt = clock.monotonic();
      log.warn({ error }, 'not known whether there are DNSEndpoints');
    }
  }

  async #follow(): Promise<void> {
    if (this.#following !== undefined) return;
    const { transport, namespace, clock, signal, onNotice, onChange } = this.#options;
    const ending = new AbortController();
    const { store } = startReflector(transport, dnsEndpointType, {
      namespace,
      labelSelector: GATEWAY_LABEL,
      clock,
      signal: AbortSignal.any([signal, ending.signal]),
      onNotice: (notice) => onNotice(notice, dnsEndpointType),
    });
    this.#following = { store, end: () => ending.abort() };
    const synced = store.whenSynced().then(
      () => {
        store.subscribe(onChange);
        onChange();
      },
      // It ended before: nobody is left to be told.
      () => undefined,
    );
    await Promise.race([synced, delay(clock, FIRST_LIST_MS, signal)]);
  }

  #unfollow(): void {
    this.#following?.end();
    this.#following = undefined;
  }
}

import type { KubernetesObject, ResourceType } from '../api/resource.ts';
import type { Manifest } from '../k8s/client.ts';
import { type ApiError, isForbidden, isInvalid } from '../k8s/errors.ts';
import type { Store } from '../k8s/store.ts';
import type { Clock } from '../runtime/clock.ts';
import type { AppliedChildren } from './applied-children.ts';

/** After a refusal the same is not asked for again so long, unless something else is wanted. */
export const ASK_AGAIN_MS = 60_000;

/** Children that the API server may refuse because of what a person wrote: a port that is taken, a quota, a policy of the cluster. */
export class OfferedChildren {
  readonly #children: AppliedChildren;
  readonly #clock: Clock;
  readonly #refused = new Map<string, { readonly wanted: string; readonly error: ApiError; readonly until: number }>();

  constructor(children: AppliedChildren, clock: Clock) {
    this.#children = children;
    this.#clock = clock;
  }

  /** Applies a child; resolves with the refusal where there is one. @throws for all that mends itself */
  async offer<T extends KubernetesObject>(
    type: ResourceType<T>,
    store: Store<T>,
    manifest: Manifest,
  ): Promise<ApiError | undefined> {
    const slot = `${type.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}`;
    const wanted = JSON.stringify(manifest);
    const before = this.#refused.get(slot);
    if (before?.wanted === wanted && this.#clock.monotonic() < before.until) return before.error;
    this.#refused.delete(slot);
    try {
      await this.#children.apply(type, store, manifest);
      return undefined;
    } catch (error) {
      if (!isInvalid(error) && !isForbidden(error)) throw error;
      this.#refused.set(slot, { wanted, error, until: this.#clock.monotonic() + ASK_AGAIN_MS });
      return error;
    }
  }
}

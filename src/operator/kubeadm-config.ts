import { type ConfigMap, configMapType } from '../api/core.ts';
import type { Client } from '../k8s/client.ts';
import type { Clock } from '../runtime/clock.ts';

/** It changes with upgrades of the cluster only, so a look now and then is enough. */
const LOOK_EVERY_MS = 5 * 60_000;

/** The ConfigMap that kubeadm leaves behind, read when asked for and at most every few minutes. */
export class KubeadmConfig {
  readonly #client: Client;
  readonly #clock: Clock;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #config: ConfigMap | undefined;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Undefined in clusters that kubeadm did not make. */
  async read(): Promise<ConfigMap | undefined> {
    const now = this.#clock.monotonic();
    if (now - this.#lookedAt < LOOK_EVERY_MS) return this.#config;
    this.#config = await this.#client.get(configMapType, 'kubeadm-config', 'kube-system');
    this.#lookedAt = now;
    return this.#config;
  }
}

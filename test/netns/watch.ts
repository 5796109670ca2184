import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../src/host/host.ts';
import { aPublicKey, PLAN_NAMES } from '../support/node-plans.ts';
import type { Namespace } from './namespace.ts';

const { device, table } = PLAN_NAMES;
/** Longer than a look at the peers and the gathering of reports together. */
const QUIET_MS = 600;

/** What a host reports as drift, in order. */
export class Watch {
  readonly reasons: string[] = [];
  /** The programs that the kernel names, in order. */
  readonly hands: string[] = [];
  readonly #namespace: Namespace;
  readonly #stop = new AbortController();
  #next = Promise.withResolvers<void>();

  constructor(host: Host, namespace: Namespace) {
    this.#namespace = namespace;
    host.watchDrift(PLAN_NAMES, this.#stop.signal, (what, by) => {
      this.reasons.push(what);
      if (by !== undefined) this.hands.push(by);
      this.#next.resolve();
      this.#next = Promise.withResolvers();
    });
  }

  /** Resolves once each monitor reports what is done for it to see, and undone. */
  async follows(): Promise<void> {
    for (const what of ['nftables table', 'interface', 'the peers'])
      while (!this.reasons.some((reason) => reason.startsWith(what))) await this.#fidget();
  }

  /** Resolves with the number of reports once none has come for a while. */
  async quiet(): Promise<number> {
    for (let count = -1; count !== this.reasons.length; ) {
      count = this.reasons.length;
      await delay(QUIET_MS);
    }
    return this.reasons.length;
  }

  /** Resolves with the number of reports once that is larger than `count`. */
  async moreThan(count: number): Promise<number> {
    while (this.reasons.length <= count) await this.#next.promise;
    return this.reasons.length;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #fidget(): Promise<void> {
    await this.#namespace.runAll(`
      nft add element inet ${table} routed4 { 203.0.113.1 }
      nft delete element inet ${table} routed4 { 203.0.113.1 }
      ip address add 203.0.113.1/32 dev ${device}
      ip address delete 203.0.113.1/32 dev ${device}
      wg set ${device} peer ${aPublicKey(50)} allowed-ips 203.0.113.1/32
    `);
    await delay(250);
    await this.#namespace.run(`wg set ${device} peer ${aPublicKey(50)} remove`);
    await delay(250);
  }
}

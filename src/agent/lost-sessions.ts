import type { Operation } from '../dataplane/operation.ts';
import type { PublicKey } from '../net/key.ts';

/** Whose sessions are gone with what steps have put right: all of an interface that was made, started or set up, and those of peers that were added. */
export class LostSessions {
  readonly #keys = new Set<PublicKey>();
  #all = false;

  take(operations: readonly Operation[]): void {
    for (const step of operations) {
      if (step.kind === 'create-link' || step.kind === 'start-link') this.#all = true;
      // The kernel forgets all sessions of an interface that is set down (wg_stop in drivers/net/wireguard/device.c).
      else if (step.kind === 'set-link') this.#all ||= step.up === true;
      else if (step.kind === 'set-peers')
        for (const { kind, publicKey } of step.changes) if (kind === 'add') this.#keys.add(publicKey);
    }
  }

  get isNone(): boolean {
    return !this.#all && this.#keys.size === 0;
  }

  has(publicKey: PublicKey): boolean {
    return this.#all || this.#keys.has(publicKey);
  }
}

import type { Operation } from '../dataplane/operation.ts';
import type { PublicKey } from '../net/key.ts';

/** Whose sessions are gone with what steps have put right: all of an interface that was made, started or set up, and those of peers that were added to one. */
export class LostSessions {
  readonly #devices = new Set<string>();
  readonly #peers = new Set<string>();

  take(step: Operation): void {
    if (endsSessions(step)) this.#devices.add(step.device);
    if (step.kind !== 'set-peers') return;
    for (const { kind, publicKey } of step.changes) if (kind === 'add') this.#peers.add(`${step.device} ${publicKey}`);
  }

  get isNone(): boolean {
    return this.#devices.size === 0 && this.#peers.size === 0;
  }

  /** Whether this interface has lost its session with whoever has this key. */
  has(device: string, publicKey: PublicKey): boolean {
    return this.#devices.has(device) || this.#peers.has(`${device} ${publicKey}`);
  }
}

/** The kernel forgets all sessions of an interface that is set down (wg_stop in drivers/net/wireguard/device.c). */
function endsSessions(
  step: Operation,
): step is Operation & { readonly kind: 'create-link' | 'start-link' | 'set-link' } {
  return step.kind === 'create-link' || step.kind === 'start-link' || (step.kind === 'set-link' && step.up === true);
}

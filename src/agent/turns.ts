import type { Operation } from '../dataplane/operation.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { LostSessions } from './lost-sessions.ts';
import type { Turn } from './node-sync.ts';
import type { AgentParts } from './parts.ts';
import type { TurnRecorder } from './recorder.ts';
import type { Look } from './wake.ts';

export interface TurnsOptions {
  readonly parts: AgentParts;
  readonly clock: Clock;
  readonly log: Log;
  readonly recorder?: TurnRecorder | undefined;
}

/** A look at the resources, and not for what cannot wait alone. */
type Following = Exclude<Look, 'calls' | 'arrivals'>;

/** What an agent does each time it is woken, one turn at a time. */
export class Turns {
  readonly #options: TurnsOptions;
  /** What was done since the last look at the node began, also where that broke off. */
  #steps: Operation[] = [];
  /** Whose sessions are gone, and who are still to be called. */
  #lost = new LostSessions();
  /** The last look at what is to be audited. */
  #auditing: Promise<void> = Promise.resolve();

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** A step has been done on the node. */
  applied(step: Operation): void {
    this.#steps.push(step);
  }

  /** Says whether it was a turn in which the resources are followed; one that failed is, too. */
  async take(look: Look): Promise<boolean> {
    const { parts, clock } = this.#options;
    const began = clock.monotonic();
    try {
      return await this.#take(look);
    } catch (error) {
      parts.retries.failed(error, began);
      return true;
    }
  }

  /** Resolves when nothing of a turn is under way any more. */
  async end(): Promise<void> {
    await this.#auditing;
  }

  async #take(look: Look): Promise<boolean> {
    const { takeover, movedFlows, releasing, sync, retries } = this.#options.parts;
    await takeover.act();
    await movedFlows.act();
    if (look === 'calls') return false;
    await sync.syncArrivals();
    if (look === 'arrivals') return false;
    await this.#follow(look);
    // After a failure it is not known who is there.
    if (retries.failure === undefined) {
      await takeover.callBack(this.#lost);
      this.#lost = new LostSessions();
    }
    if (look === 'touched') return true;
    await takeover.looked();
    await movedFlows.looked();
    await releasing.look();
    return true;
  }

  async #follow(look: Following): Promise<void> {
    const { clock, recorder } = this.#options;
    const began = clock.monotonic();
    let ended: 'well' | 'failed' = 'failed';
    try {
      await this.#bring(look);
      ended = 'well';
    } finally {
      recorder?.turned(look, (clock.monotonic() - began) / 1_000, ended);
    }
  }

  /** After a failure everything is tried again when its time has come; until then, who is revoked is put out all the same. */
  async #bring(look: Following): Promise<void> {
    const { sync, retries, repairs } = this.#options.parts;
    if (retries.isWaiting) {
      await sync.syncRevoked();
      return;
    }
    repairs.looks();
    this.#steps = [];
    let isWell = false;
    try {
      const turn = await this.#look(retries.failure === undefined ? look : 'all');
      if (look === 'all' || turn.mended) repairs.took(turn.operations, turn.mended);
      isWell = true;
    } finally {
      repairs.looked(isWell);
      for (const step of this.#steps) this.#lost.take(step);
    }
    retries.succeeded();
    this.#followAudit(look);
  }

  #look(look: Following): Promise<Turn> {
    const { sync } = this.#options.parts;
    if (look === 'all') return sync.syncAll();
    return look === 'peers' ? sync.syncPeers() : sync.syncTouched();
  }

  /** Whether it can be told has no part in whether the node is where it should be. */
  #followAudit(look: Following): void {
    const { parts, log } = this.#options;
    this.#auditing = parts.audit
      .follow(look !== 'touched')
      .catch((error: unknown) => log.error({ error }, 'audit log not written'));
  }
}

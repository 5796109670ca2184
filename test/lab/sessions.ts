import { expect } from 'vitest';
import type { Laptop } from './laptop.ts';
import { must } from './mesh.ts';
import type { LabNode } from './node.ts';
import type { Traffic } from './traffic.ts';

/** A laptop on a gateway of its own, with traffic that never rests. */
export interface Sending {
  readonly laptop: Laptop;
  readonly node: LabNode;
  readonly datagrams: Traffic;
}

/** WireGuard's REKEY_AFTER_TIME: whoever began a session begins the next one then, by itself. */
const RENEWED_AFTER_S = 120;
const ANSWER_WITHIN_S = 40;

/**
 * The sessions of laptops whose gateway has kernel WireGuard: nothing that happens to an agent may touch them. Where no node has a kernel
 * of its own, as without SALLYPORT_LAB_NODES, there are none to watch.
 */
export class Sessions {
  readonly #began = Date.now();
  readonly #kept: readonly (Sending & { readonly since: number })[];

  private constructor(kept: readonly (Sending & { readonly since: number })[]) {
    this.#kept = kept;
  }

  /** The sessions as they are now, of those whose node has a kernel of its own. */
  static async of(all: readonly Sending[]): Promise<Sessions> {
    const own = all.filter(({ node }) => node.kernel === 'own');
    return new Sessions(await Promise.all(own.map(async (each) => ({ ...each, since: await sessionSince(each) }))));
  }

  /**
   * Expects that not one datagram was lost since, and that the present session is the same, or began when a renewal was due.
   * Resolves with a sentence for each.
   */
  async expectKept(what: string): Promise<readonly string[]> {
    const said: string[] = [];
    for (const member of this.#kept) {
      await member.datagrams.answerAfter(Date.now(), ANSWER_WITHIN_S);
      const { sent, lost } = member.datagrams.lossAfter(this.#began);
      const age = (await sessionSince(member)) - member.since;
      const loss = `${what}: ${lost} of ${sent} datagrams lost on ${member.node.name}, with kernel WireGuard`;
      expect(lost, loss).toBe(0);
      expect(age === 0 || age >= RENEWED_AFTER_S, `${what}: a new session after ${age} s`).toBe(true);
      said.push(`${loss}, ${age === 0 ? 'in the same session' : `its session renewed after ${age} s`}`);
    }
    return said;
  }
}

/** When the laptop last shook hands, in seconds since the epoch. */
async function sessionSince({ laptop }: Sending): Promise<number> {
  return Number(
    must(await laptop.exec(['wg', 'show', 'mesh', 'latest-handshakes']))
      .trim()
      .split(/\s+/)[1],
  );
}

import { existsSync } from 'node:fs';
import type { Commands } from '../../host/exec.ts';
import { ExecError, failedSaying } from '../../host/exec-error.ts';
import { writeScratch } from '../../host/scratch.ts';
import { FULL_NUMBER, type FullTunnel, type Outside, type Question } from '../../laptop/full/full-tunnel.ts';
import { guardedDevices, guardMark, guardScript, guardTable } from '../../laptop/full/guard.ts';
import { type Way, wayCommands, waysIn, waysOf } from '../../laptop/full/ways.ts';
import type { Family } from '../../net/address.ts';
import { missingProgram } from './missing-program.ts';

/** As `wg` says that there is no such interface, or no wireguard-go behind it. */
const NOT_SERVED = /No such device|No such file or directory|Protocol not supported|Operation not supported/;
const MARK = `0x${FULL_NUMBER.toString(16)}`;

export interface FullWaysOptions {
  readonly commands: Commands;
  /** For files that root alone may read. */
  readonly runDir: string;
  readonly device: string;
}

/** The rules, routes and firewall that send all of this Linux machine's traffic into one tunnel; the guard comes first and goes last. */
export class FullWays {
  readonly #options: FullWaysOptions;
  #wanted: Omit<FullTunnel, 'isServed' | 'outside' | 'questions'> | undefined;
  #outside: readonly Outside[] = [];
  #questions: readonly Question[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FullWaysOptions) {
    this.#options = options;
  }

  /** Brings the machine there by the smallest change; nothing is run but questions where all is as it should be. Says what was done. */
  sync(wanted: Omit<FullTunnel, 'device' | 'isServed' | 'outside' | 'questions'>): Promise<readonly string[]> {
    this.#wanted = { ...wanted, device: this.#options.device };
    return this.#inTurn(() => this.#settle());
  }

  /** Lets UDP out there as well, from now on: before anybody is raced. */
  async admit(outside: readonly Outside[]): Promise<void> {
    const known = new Set(this.#outside.map(({ address, port }) => `${address} ${port}`));
    const fresh = outside.filter(({ address, port }) => !known.has(`${address} ${port}`));
    if (fresh.length === 0) return;
    this.#outside = [...this.#outside, ...fresh];
    if (this.#wanted !== undefined) await this.#inTurn(() => this.#settle());
  }

  /** Lets one question out for as long as the work takes. */
  async whileAsking<T>(question: Question, work: () => Promise<T>): Promise<T> {
    if (this.#wanted === undefined) return work();
    this.#questions = [...this.#questions, question];
    try {
      await this.#inTurn(() => this.#settle());
      return await work();
    } finally {
      this.#questions = this.#questions.filter((other) => other !== question);
      await this.#inTurn(() => this.#settle());
    }
  }

  /** Takes all of it away, also what one that was killed left; another tunnel's stays. */
  async remove(): Promise<void> {
    this.#wanted = undefined;
    await this.#inTurn(() => removeFullWays(this.#options.commands, this.#options.device));
  }

  /** One change after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #settle(): Promise<readonly string[]> {
    if (this.#wanted === undefined) return [];
    const { commands, device } = this.#options;
    try {
      const isServed = await this.#mark();
      const full = { ...this.#wanted, isServed, outside: this.#outside, questions: this.#questions };
      const guarded = await this.#guard(full);
      const changes = wayCommands(waysOf(full, families()), await observeWays(commands));
      for (const argv of changes) await changed(commands, argv);
      return [
        ...(guarded ? ['refuse questions for names that would leave beside the tunnel'] : []),
        ...(changes.length > 0 ? [`route everything into ${device}`] : []),
      ];
    } catch (error) {
      throw missingProgram(error);
    }
  }

  /** Marks the packets of the interface. Says whether anybody serves it. */
  async #mark(): Promise<boolean> {
    const { commands, device } = this.#options;
    try {
      const marked = (await commands.run(['wg', 'show', device, 'fwmark'])).trim();
      if (marked !== MARK) await commands.run(['wg', 'set', device, 'fwmark', MARK]);
      return true;
    } catch (error) {
      if (failedSaying(error, NOT_SERVED)) return false;
      throw error;
    }
  }

  /** Says whether there was anything to do. */
  async #guard(full: FullTunnel): Promise<boolean> {
    const { commands, runDir, device } = this.#options;
    const isThere = await commands
      .run(['nft', 'list', 'chain', 'inet', guardTable(device), guardMark(full)])
      .then(() => true, absent);
    if (isThere) return false;
    await commands.run(['nft', '-f', await writeScratch(runDir, `${device}.nft`, guardScript(full))]);
    return true;
  }
}

/** The tunnels whose guards stand on this machine, of supervisors that run and of others that were killed. */
export async function fullTunnelsHere(commands: Commands): Promise<readonly string[]> {
  return guardedDevices(await commands.run(['nft', 'list', 'tables', 'inet']).catch(withoutNft));
}

/** Takes away what makes a full tunnel of the device; the guard last, by which it is known whose the rest is. */
export async function removeFullWays(commands: Commands, device: string): Promise<void> {
  const guarded = await fullTunnelsHere(commands);
  if (guarded.length > 0 && !guarded.includes(device)) return;
  for (const argv of wayCommands([], await observeWays(commands))) await changed(commands, argv);
  if (!guarded.includes(device)) return;
  await commands.run(['wg', 'set', device, 'fwmark', '0']).catch(unserved);
  await commands.run(['nft', 'delete', 'table', 'inet', guardTable(device)]).catch(absent);
}

/** Whether rules or routes of a full tunnel are on this machine; for this nobody need be root. */
export async function hasFullWays(commands: Commands): Promise<boolean> {
  return (await observeWays(commands)).length > 0;
}

async function observeWays(commands: Commands): Promise<readonly Way[]> {
  const all = await Promise.all(
    families().map(async (family) => {
      const rules = await commands.run(['ip', '-json', `-${family}`, 'rule', 'show']);
      const words = ['ip', '-json', `-${family}`, 'route', 'show', 'table', String(FULL_NUMBER)];
      return waysIn(family, { rules, routes: await commands.run(words).catch(withoutTable) });
    }),
  );
  return all.flat();
}

/** What is there already, or gone, is as it should be. */
async function changed(commands: Commands, argv: readonly string[]): Promise<void> {
  try {
    await commands.run(argv);
  } catch (error) {
    if (!failedSaying(error, /File exists|No such process|No such file or directory/)) throw error;
  }
}

function families(): readonly Family[] {
  return existsSync('/proc/net/if_inet6') ? [4, 6] : [4];
}

function absent(error: unknown): false {
  if (failedSaying(error, /No such file or directory/)) return false;
  throw error;
}

function unserved(error: unknown): void {
  if (!failedSaying(error, NOT_SERVED)) throw error;
}

function withoutTable(error: unknown): string {
  if (failedSaying(error, /FIB table does not exist/)) return '';
  throw error;
}

/** Where there is no nft, nobody has made a full tunnel. */
function withoutNft(error: unknown): string {
  if (error instanceof ExecError && error.facts.stderr.includes('ENOENT')) return '';
  throw error;
}

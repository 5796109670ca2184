import {
  type Counted,
  type CountedElement,
  type HalvedSets,
  parseChainCounter,
  parseCountedElements,
} from '../dataplane/nftables/counted.ts';
import { remainingChanges } from '../dataplane/nftables/diff.ts';
import { isWhole, type ListedTable, parseSetElements, parseTable } from '../dataplane/nftables/parse.ts';
import { renderElementChanges, renderReplacement, renderSeal, turnedOnChain } from '../dataplane/nftables/render.ts';
import type { ElementChange, Ruleset } from '../dataplane/nftables/ruleset.ts';
import type { Family } from '../net/address.ts';
import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';
import { OwnElements } from './own-elements.ts';
import { writeScratch } from './scratch.ts';

/** A table that somebody changes while it is written is written so often; nothing that needs its rules follows before. */
const WRITTEN_MOST = 5;
const ABSENT = /No such file or directory/;
/** How nft 1.0.6 says that an element is not there; of an interval set; and where the kernel's answer repeats more than nft has room for. */
const NO_ELEMENT = /No such file or directory|element does not exist|No buffer space available/;

/** Our one table, by way of nft. */
export interface Nftables {
  /** Undefined when there is no such table. */
  list(table: string): Promise<ListedTable | undefined>;
  replace(ruleset: Ruleset, turnedOn: readonly Family[]): Promise<void>;
  change(table: string, changes: readonly ElementChange[]): Promise<void>;
  /** Whether a line of `nft monitor` tells of nothing but elements that `change` has just changed; each is told once. */
  isOwn(line: string): boolean;
  /** Reads the sets and empties those that have elements; what comes in between comes again. */
  take(table: string, sets: readonly string[]): Promise<readonly string[]>;
  /** What the first counter of a chain has counted; undefined where there is no such chain. */
  counted(table: string, chain: string): Promise<Counted | undefined>;
  /** Reads these sets and takes out what was read; what an element counts in between is lost, and no element is. */
  takeCounted(table: string, sets: readonly string[]): Promise<readonly CountedElement[]>;
  /** Turns rules to the other half, and empties the one they have filled so far; nothing is lost. None where there is no such table. */
  takeHalf(table: string, sets: HalvedSets): Promise<readonly CountedElement[]>;
  remove(table: string): Promise<void>;
  /** Records in the table that forwarding of the family was off before us. */
  recordTurnedOn(table: string, family: Family): Promise<void>;
  forgetTurnedOn(table: string, family: Family): Promise<void>;
}

/** Scripts go through a file in `runDir`: a child's standard input is a socket here, which `nft -f` cannot open. */
export function createNftables(commands: Commands, runDir: string): Nftables {
  const own = new OwnElements(() => performance.now());
  const script = async (table: string, text: string, file = `${table}.nft`) => {
    await commands.run(['nft', '-f', await writeScratch(runDir, file, text)]);
  };
  const list = async (table: string) => {
    const text = await unlessAbsent(commands.run(['nft', '-j', '-s', 'list', 'table', 'inet', table]));
    return text === undefined ? undefined : parseTable(text, table);
  };
  const change = async (table: string, changes: readonly ElementChange[]) => {
    try {
      await script(table, renderElementChanges(table, changes));
    } catch (error) {
      const listed = failedSaying(error, NO_ELEMENT) ? await list(table) : undefined;
      if (listed === undefined) throw error;
      const left = remainingChanges(changes, listed.observed);
      if (left.length > 0) await script(table, renderElementChanges(table, left));
    }
  };
  const listElements = async (table: string, set: string) => {
    const text = await unlessAbsent(commands.run(['nft', '-j', 'list', 'set', 'inet', table, set]));
    return text === undefined ? [] : parseCountedElements(text);
  };
  /** One at a time: of several `list set` in one command, nft 1.0.6 finds the last alone. */
  const listAll = async (table: string, sets: readonly string[]) => {
    const found: CountedElement[] = [];
    for (const set of sets) found.push(...(await listElements(table, set)));
    return found;
  };
  const flush = (table: string, found: readonly CountedElement[]) => {
    const sets = new Set(found.map(({ set }) => set));
    const text = [...sets].map((set) => `flush set inet ${table} ${set}\n`).join('');
    return unlessAbsent(script(table, text, `${table}_seen.nft`));
  };
  /** One that is not there fails the whole transaction; then everything that is noted goes. This runs beside everything else. */
  const takeOut = async (table: string, found: readonly CountedElement[]) => {
    const changes = [...Map.groupBy(found, ({ set }) => set)].map(([set, elements]) => ({
      set,
      added: [],
      removed: elements.map(({ element }) => element),
    }));
    try {
      await script(table, renderElementChanges(table, changes), `${table}_seen.nft`);
      return;
    } catch (error) {
      if (!failedSaying(error, NO_ELEMENT)) throw error;
    }
    await flush(table, found);
  };
  return {
    list,
    async replace(ruleset, turnedOn) {
      const { table } = ruleset;
      for (let tried = 0; tried < WRITTEN_MOST; tried += 1) {
        await script(table, renderReplacement(ruleset, turnedOn));
        const listed = await list(table);
        // What somebody has changed since must not be taken for what was written.
        if (listed === undefined || !isWhole(ruleset, listed)) continue;
        const sealed = await unlessAbsent(script(table, renderSeal(table, listed.fingerprint)).then(() => true));
        if (sealed) return;
      }
      throw new Error(`table inet ${table} was changed or taken away ${WRITTEN_MOST} times before it could be sealed`);
    },
    async change(table, changes) {
      const takeBack = own.expect(table, changes);
      try {
        await change(table, changes);
      } catch (error) {
        takeBack();
        throw error;
      }
    },
    isOwn: (line) => own.heard(line),
    async take(table, sets) {
      const found: string[] = [];
      for (const set of sets) {
        const text = await unlessAbsent(commands.run(['nft', '-j', 'list', 'set', 'inet', table, set]));
        const elements = text === undefined ? [] : parseSetElements(text);
        if (elements.length > 0) await unlessAbsent(commands.run(['nft', 'flush', 'set', 'inet', table, set]));
        found.push(...elements);
      }
      return found;
    },
    async counted(table, chain) {
      const text = await unlessAbsent(commands.run(['nft', '-j', 'list', 'chain', 'inet', table, chain]));
      return text === undefined ? undefined : parseChainCounter(text);
    },
    async takeCounted(table, sets) {
      // A set that grows meanwhile may be listed with an element twice.
      const found = await listAll(table, sets);
      const distinct = [...new Map(found.map((one) => [`${one.set} ${one.element}`, one])).values()];
      if (distinct.length > 0) await takeOut(table, distinct);
      return distinct;
    },
    async takeHalf(table, { turned, elements, halves }) {
      const text = await unlessAbsent(commands.run(['nft', '-j', 'list', 'set', 'inet', table, turned]));
      if (text === undefined) return [];
      const isTurned = parseSetElements(text).length > 0;
      const turn = isTurned ? { added: [], removed: elements } : { added: elements, removed: [] };
      await script(table, renderElementChanges(table, [{ set: turned, ...turn }]), `${table}_seen.nft`);
      const found = await listAll(table, halves[isTurned ? 1 : 0]);
      if (found.length > 0) await flush(table, found);
      return found;
    },
    async remove(table) {
      await unlessAbsent(commands.run(['nft', 'delete', 'table', 'inet', table]));
    },
    async recordTurnedOn(table, family) {
      await commands.run(['nft', 'add', 'chain', 'inet', table, turnedOnChain(family)]);
    },
    async forgetTurnedOn(table, family) {
      await unlessAbsent(commands.run(['nft', 'delete', 'chain', 'inet', table, turnedOnChain(family)]));
    },
  };
}

async function unlessAbsent<T>(output: Promise<T>): Promise<T | undefined> {
  try {
    return await output;
  } catch (error) {
    if (failedSaying(error, ABSENT)) return undefined;
    throw error;
  }
}

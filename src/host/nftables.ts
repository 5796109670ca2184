import { remainingChanges } from '../dataplane/nftables/diff.ts';
import { type ListedTable, parseSetElements, parseTable } from '../dataplane/nftables/parse.ts';
import { renderElementChanges, renderReplacement, renderSeal, turnedOnChain } from '../dataplane/nftables/render.ts';
import type { ElementChange, Ruleset } from '../dataplane/nftables/ruleset.ts';
import type { Family } from '../net/address.ts';
import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';
import { writeScratch } from './scratch.ts';

const ABSENT = /No such file or directory/;
/** How nft 1.0.6 says it of an interval set. */
const NO_ELEMENT = /No such file or directory|element does not exist/;

/** Our one table, by way of nft. */
export interface Nftables {
  /** Undefined when there is no such table. */
  list(table: string): Promise<ListedTable | undefined>;
  replace(ruleset: Ruleset, turnedOn: readonly Family[]): Promise<void>;
  change(table: string, changes: readonly ElementChange[]): Promise<void>;
  /** Reads the sets and empties those that have elements; what comes in between comes again. */
  take(table: string, sets: readonly string[]): Promise<readonly string[]>;
  remove(table: string): Promise<void>;
  /** Records in the table that forwarding of the family was off before us. */
  recordTurnedOn(table: string, family: Family): Promise<void>;
  forgetTurnedOn(table: string, family: Family): Promise<void>;
}

/** Scripts go through a file in `runDir`: a child's standard input is a socket here, which `nft -f` cannot open. */
export function createNftables(commands: Commands, runDir: string): Nftables {
  const script = async (table: string, text: string) => {
    await commands.run(['nft', '-f', await writeScratch(runDir, `${table}.nft`, text)]);
  };
  const list = async (table: string) => {
    const text = await unlessAbsent(commands.run(['nft', '-j', '-s', 'list', 'table', 'inet', table]));
    return text === undefined ? undefined : parseTable(text, table);
  };
  return {
    list,
    async replace(ruleset, turnedOn) {
      const { table } = ruleset;
      await script(table, renderReplacement(ruleset, turnedOn));
      const listed = await list(table);
      if (listed !== undefined) await script(table, renderSeal(table, listed.fingerprint));
    },
    async change(table, changes) {
      try {
        await script(table, renderElementChanges(table, changes));
      } catch (error) {
        const listed = failedSaying(error, NO_ELEMENT) ? await list(table) : undefined;
        if (listed === undefined) throw error;
        const left = remainingChanges(changes, listed.observed);
        if (left.length > 0) await script(table, renderElementChanges(table, left));
      }
    },
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

async function unlessAbsent(output: Promise<string>): Promise<string | undefined> {
  try {
    return await output;
  } catch (error) {
    if (failedSaying(error, ABSENT)) return undefined;
    throw error;
  }
}

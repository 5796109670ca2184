import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rulesetDifference } from '../../src/dataplane/nftables/diff.ts';
import type { Commands } from '../../src/host/exec.ts';
import { createNftables } from '../../src/host/nftables.ts';
import { because } from '../support/because.ts';
import { aNodePlan } from '../support/node-plans.ts';
import { missing } from './machine.ts';
import { Namespace } from './namespace.ts';

const { ruleset } = aNodePlan();
const { table } = ruleset;
/** So often it is written at most (src/host/nftables.ts); who looks afterwards finds what was left. */
const WRITTEN_MOST = 5;

describe.skipIf(missing)(`a table that somebody changes while it is written${because(missing)}`, () => {
  test.each([
    ['flushes it', ['flush', 'table', 'inet', table]],
    ['empties a chain', ['flush', 'chain', 'inet', table, 'from_mesh']],
    ['takes it away', ['delete', 'table', 'inet', table]],
  ])('who %s once is too late: the whole is written again', async (_, change) => {
    const { nft, dispose } = await interrupted(change, 1);
    try {
      await nft.replace(ruleset, []);
      expect(rulesetDifference(ruleset, (await nft.list(table))?.observed).kind).toBe('none');
    } finally {
      await dispose();
    }
  });

  test('who flushes it each time has it reported as a failure, and it is not taken for whole', async () => {
    const { nft, dispose } = await interrupted(['flush', 'table', 'inet', table], WRITTEN_MOST);
    try {
      await expect(nft.replace(ruleset, [])).rejects.toThrow(`table inet ${table} was changed or taken away`);
      expect(rulesetDifference(ruleset, (await nft.list(table))?.observed).kind).toBe('structure');
    } finally {
      await dispose();
    }
  });
});

/** nft in a namespace of its own where, after each of the first so many writings of a whole table, somebody else changes it. */
async function interrupted(change: readonly string[], times: number) {
  const namespace = await Namespace.create();
  const folder = await mkdtemp(join(tmpdir(), 'seal-'));
  let left = times;
  const commands: Commands = {
    start: (...args) => namespace.commands.start(...args),
    run: async (argv, options) => {
      const isList = argv.includes('list');
      if (isList && left > 0) {
        left -= 1;
        await namespace.commands.run(['nft', ...change]);
      }
      return namespace.commands.run(argv, options);
    },
  };
  const dispose = async () => {
    await namespace.dispose();
    await rm(folder, { recursive: true, force: true });
  };
  return { nft: createNftables(commands, folder), dispose };
}

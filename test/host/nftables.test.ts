import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNftables, type Nftables } from '../../src/host/nftables.ts';
import { aNodePlan } from '../support/node-plans.ts';
import { type Answer, ScriptedCommands } from '../support/scripted-commands.ts';

const TABLE = 'sallyport_default';
const SET = 'seen_denied4';

describe('writing a table', () => {
  const absent = { exitCode: 1, stderr: 'Error: No such file or directory' };
  const { ruleset } = aNodePlan();
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nftables-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Writes it where these are the answers to the script, to the look at what is there then, and to the script that seals it. */
  function written(...answers: readonly Answer[]): Promise<void> {
    const left = [...answers];
    return createNftables(new ScriptedCommands(() => left.shift() ?? ''), folder).replace(ruleset, []);
  }
  const inTable = { family: 'inet', table: TABLE };
  /** What nft lists of the table, without the rules of these chains. */
  const listing = (flushed: readonly string[] = []) =>
    JSON.stringify({
      nftables: [
        ...ruleset.sets.map(({ name }) => ({ set: { ...inTable, name } })),
        ...ruleset.chains.map(({ name }) => ({ chain: { ...inTable, name } })),
        ...ruleset.chains.flatMap(({ name, rules }) =>
          flushed.includes(name) ? [] : rules.map(() => ({ rule: { ...inTable, chain: name, expr: [] } })),
        ),
      ],
    });
  const all = ruleset.chains.map(({ name }) => name);

  test.each<[string, readonly Answer[]]>([
    ['takes away before it is looked at', ['', absent]],
    ['takes away before it is sealed', ['', listing(), absent]],
    ['flushes before it is looked at', ['', listing(all)]],
    ['takes one chain’s rules of before it is looked at', ['', listing(all.slice(-1))]],
  ])('that somebody %s is written again, and sealed then', async (_, answers) => {
    await expect(written(...answers, '', listing(), '')).resolves.toBeUndefined();
    await expect(written(...answers, '', absent, '', absent, '', absent, '', absent)).rejects.toThrow(
      'changed or taken away',
    );
  });

  test('that cannot be sealed is a failure', async () => {
    await expect(written('', listing(), { exitCode: 1, stderr: 'Operation not permitted' })).rejects.toThrow(
      'not permitted',
    );
  });
});

describe('taking what rules have put into one half of sets', () => {
  const SETS = {
    turned: 'seen_half',
    elements: ['ipv4', 'ipv6'],
    halves: [['seen_a4', 'seen_a6'], ['seen_b4']],
  } as const;
  let folder: string;
  /** What nft was asked, in its order: the script, or what it is to list. */
  let asked: string[];
  let nftables: Nftables;
  const listed = (set: string, ...elem: readonly unknown[]) =>
    JSON.stringify({ nftables: [{ set: { family: 'inet', name: set, table: TABLE, elem } }] });
  const element = { elem: { val: { concat: ['10.213.0.16', 'reply'] }, counter: { packets: 2, bytes: 120 } } };
  let sets: Readonly<Record<string, string>>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nftables-'));
    asked = [];
    const commands = new ScriptedCommands((line) => {
      const words = line.split(' ');
      const last = words.at(-1) ?? '';
      asked.push(words[1] === '-f' ? readFileSync(last, 'utf8').trim() : last);
      return words[1] === '-f' ? '' : (sets[last] ?? { exitCode: 1, stderr: 'Error: No such file or directory' });
    });
    nftables = createNftables(commands, folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('turns rules to the second one before it reads the first, and empties what had something', async () => {
    sets = { seen_half: listed('seen_half'), seen_a4: listed('seen_a4', element), seen_a6: listed('seen_a6') };
    expect(await nftables.takeHalf(TABLE, SETS)).toEqual([
      { set: 'seen_a4', element: '10.213.0.16 . reply', packets: 2, bytes: 120 },
    ]);
    expect(asked).toEqual([
      'seen_half',
      `add element inet ${TABLE} seen_half { ipv4, ipv6 }`,
      'seen_a4',
      'seen_a6',
      `flush set inet ${TABLE} seen_a4`,
    ]);
  });

  test('turns them back, and then reads the second', async () => {
    sets = { seen_half: listed('seen_half', 'ipv4', 'ipv6'), seen_b4: listed('seen_b4') };
    expect(await nftables.takeHalf(TABLE, SETS)).toEqual([]);
    expect(asked).toEqual(['seen_half', `delete element inet ${TABLE} seen_half { ipv4, ipv6 }`, 'seen_b4']);
  });

  test('changes nothing where there are no such sets', async () => {
    sets = {};
    expect(await nftables.takeHalf(TABLE, SETS)).toEqual([]);
    expect(asked).toEqual(['seen_half']);
  });
});

describe('taking out what rules have noted', () => {
  let folder: string;
  let nftables: Nftables;
  /** The scripts that nft was given, in their order. */
  let scripts: Promise<string>[];
  let onScript: (count: number) => Answer;
  const noted = (...hosts: readonly number[]) => {
    const elements = hosts.map((host) => ({
      elem: { val: { concat: ['10.213.0.16', 'tcp', `10.96.9.${host}`, 80] }, counter: { packets: 2, bytes: 120 } },
    }));
    return JSON.stringify({ nftables: [{ set: { family: 'inet', name: SET, table: TABLE, elem: elements } }] });
  };
  let listing: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nftables-'));
    scripts = [];
    onScript = () => '';
    const commands = new ScriptedCommands((line) => {
      if (!line.startsWith('nft -f ')) return listing;
      scripts.push(readFile(line.slice('nft -f '.length), 'utf8'));
      return onScript(scripts.length);
    });
    nftables = createNftables(commands, folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('takes an element out once that a set listed twice while it grew, and counts it once', async () => {
    listing = noted(1, 2, 1);
    const found = await nftables.takeCounted(TABLE, [SET]);
    expect(found.reduce((sum, { packets }) => sum + packets, 0)).toBe(4);
    expect(await Promise.all(scripts)).toEqual([
      `delete element inet ${TABLE} ${SET} { 10.213.0.16 . tcp . 10.96.9.1 . 80, 10.213.0.16 . tcp . 10.96.9.2 . 80 }\n`,
    ]);
  });

  test.each([
    'Error: Could not process rule: No such file or directory',
    'netlink: Error: Could not process rule: No buffer space available',
  ])('empties the sets where the kernel refuses the transaction: %s', async (stderr) => {
    listing = noted(1);
    onScript = (count) => (count === 1 ? { exitCode: 1, stderr } : '');
    expect(await nftables.takeCounted(TABLE, [SET])).toHaveLength(1);
    expect(await scripts[1]).toBe(`flush set inet ${TABLE} ${SET}\n`);
  });

  test('fails where it cannot be done at all', async () => {
    listing = noted(1);
    onScript = () => ({ exitCode: 1, stderr: 'Operation not permitted' });
    await expect(nftables.takeCounted(TABLE, [SET])).rejects.toThrow('not permitted');
  });
});

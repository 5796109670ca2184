import { lstat, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { namesStanding } from '../../../src/cli/names/names-standing.ts';
import type { NamePaths } from '../../../src/cli/names/paths.ts';
import { plainPlacement } from '../../../src/cli/names/placement.ts';
import { type NamesRecord, readRecords, writeRecord } from '../../../src/cli/names/records.ts';
import { repairNames } from '../../../src/cli/names/repair.ts';
import { thisProcess } from '../../../src/cli/owner.ts';
import type { Commands } from '../../../src/host/exec.ts';
import { ExecError } from '../../../src/host/exec-error.ts';
import { addressesIn } from '../../../src/net/address.ts';

const OFFICE = '# by hand\nsearch office.example\nnameserver 192.0.2.1\noptions edns0';
const NEVER = { pid: 2 ** 22 + 1, started: 1 };

/** A machine without any program. */
const NO_COMMANDS: Commands = {
  run: (argv) => Promise.reject(new ExecError({ argv, timedOut: false, stderr: `spawn ${argv[0]} ENOENT` })),
  start: () => {
    throw new Error('nothing is started');
  },
};

let folder: string;
let paths: NamePaths;
const file = () => join(paths.etc, 'resolv.conf');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-names-'));
  paths = { etc: join(folder, 'etc'), run: join(folder, 'run') };
  await mkdir(paths.etc);
  await mkdir(join(paths.run, 'nm'), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

async function aRecord(profile: string, { isAlive = true, address = '127.0.53.53' } = {}): Promise<NamesRecord> {
  const owner = isAlive ? await thisProcess() : NEVER;
  const names = {
    servers: addressesIn(['10.96.0.10']).slice(),
    zones: ['cluster.local'],
    search: ['svc.cluster.local'],
    everything: false,
  };
  return { profile, device: `sp-${profile}`, backend: 'resolv.conf', owner, address, names };
}

/** What was in place before: how to make it, and how to see that it is there again. */
const FORMERS = {
  'a file': {
    make: () => writeFile(file(), OFFICE, { mode: 0o640 }),
    see: async () => [await readFile(file(), 'utf8'), (await lstat(file())).mode & 0o777],
    is: [OFFICE, 0o640],
    servers: ['192.0.2.1'],
  },
  'an empty file': {
    make: () => writeFile(file(), ''),
    see: () => readFile(file(), 'utf8'),
    is: '',
    servers: ['127.0.0.1'],
  },
  'a link': {
    make: async () => {
      await writeFile(join(paths.run, 'nm', 'resolv.conf'), OFFICE);
      await symlink('../run/nm/resolv.conf', file());
    },
    see: async () => [await readlink(file()), await readFile(file(), 'utf8')],
    is: ['../run/nm/resolv.conf', OFFICE],
    servers: ['192.0.2.1'],
  },
  'a link to nothing': {
    make: () => symlink('/nowhere/resolv.conf', file()),
    see: () => readlink(file()),
    is: '/nowhere/resolv.conf',
    servers: ['127.0.0.1'],
  },
  nothing: {
    make: () => Promise.resolve(),
    see: () =>
      lstat(file()).then(
        () => 'a file',
        () => 'nothing',
      ),
    is: 'nothing',
    servers: ['127.0.0.1'],
  },
} as const;

describe.each(Object.entries(FORMERS))('resolv.conf that was %s', (_, { make, see, is, servers }) => {
  beforeEach(() => make());

  test('names our forwarder, and is as before afterwards; each twice', async () => {
    const placement = plainPlacement(paths);
    const record = await aRecord('one');
    const placed = await placement.place([record]);
    expect(placed.former).toEqual(servers);
    const ours = await readFile(file(), 'utf8');
    expect(ours).toMatch(/^nameserver 127\.0\.53\.53$/m);
    expect((await lstat(file())).isSymbolicLink()).toBe(false);
    expect(await placement.place([record])).toMatchObject({ former: servers, wasReplaced: false });
    expect(await readFile(file(), 'utf8')).toBe(ours);
    await placement.place([]);
    await placement.place([]);
    expect(await see()).toEqual(is);
  });

  test('is repaired after a crash', async () => {
    const record = await aRecord('one', { isAlive: false });
    await writeRecord(paths, record);
    await plainPlacement(paths).place([record]);
    expect(await namesStanding(paths, NO_COMMANDS)).toMatchObject({ needsRepair: true, profiles: [] });
    expect(await repairNames(paths, NO_COMMANDS)).toHaveLength(1);
    expect(await see()).toEqual(is);
    expect(await repairNames(paths, NO_COMMANDS)).toEqual([]);
    expect(await readRecords(paths)).toEqual([]);
  });

  test('is repaired after a crash and a start of the machine, when /run is empty', async () => {
    await plainPlacement(paths).place([await aRecord('one')]);
    await rm(join(paths.run, 'sallyport'), { recursive: true });
    expect(await repairNames(paths, NO_COMMANDS)).toHaveLength(1);
    expect(await see()).toEqual(is);
  });
});

describe('two profiles', () => {
  beforeEach(() => writeFile(file(), OFFICE));

  test('share the file; the last one to go puts it back', async () => {
    const [one, two] = [await aRecord('one'), await aRecord('two', { address: '127.0.53.54' })];
    const placement = plainPlacement(paths);
    await placement.place([one]);
    await placement.place([one, two]);
    expect(await readFile(file(), 'utf8')).toMatch(
      /nameserver 127.0.53.53\nnameserver 127.0.53.54\nnameserver 192.0.2.1\n/,
    );
    await placement.place([two]);
    expect(await readFile(file(), 'utf8')).not.toContain('127.0.53.53');
    await placement.place([]);
    expect(await readFile(file(), 'utf8')).toBe(OFFICE);
  });

  test('one that crashed is taken out, the other stays', async () => {
    const [one, two] = [await aRecord('one', { isAlive: false }), await aRecord('two', { address: '127.0.53.54' })];
    for (const record of [one, two]) await writeRecord(paths, record);
    await plainPlacement(paths).place([one, two]);
    await repairNames(paths, NO_COMMANDS);
    expect(await readFile(file(), 'utf8')).toMatch(/nameserver 127.0.53.54\nnameserver 192.0.2.1\n/);
    expect((await namesStanding(paths, NO_COMMANDS)).profiles).toMatchObject([
      { profile: 'two', zones: ['cluster.local'] },
    ]);
  });
});

describe('somebody else', () => {
  beforeEach(() => writeFile(file(), OFFICE));

  test('who rewrites the file is followed, and has it back as he wrote it', async () => {
    const record = await aRecord('one');
    const placement = plainPlacement(paths);
    await placement.place([record]);
    await writeFile(file(), 'nameserver 198.51.100.1\n');
    expect(await placement.place([record])).toMatchObject({ former: ['198.51.100.1'], wasReplaced: true });
    await placement.place([]);
    expect(await readFile(file(), 'utf8')).toBe('nameserver 198.51.100.1\n');
  });

  test('who rewrote it last keeps it when we go', async () => {
    const placement = plainPlacement(paths);
    await placement.place([await aRecord('one')]);
    await writeFile(file(), 'nameserver 198.51.100.1\n');
    await placement.place([]);
    expect(await readFile(file(), 'utf8')).toBe('nameserver 198.51.100.1\n');
  });

  test('who broke what our file carries: the copy below /run is used', async () => {
    const placement = plainPlacement(paths);
    await placement.place([await aRecord('one')]);
    const ours = await readFile(file(), 'utf8');
    await writeFile(file(), ours.replaceAll(/^# sallyport-former: .*$/gm, '# sallyport-former: x'));
    await placement.place([]);
    expect(await readFile(file(), 'utf8')).toBe(OFFICE);
  });
});

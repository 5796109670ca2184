import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type FormerFile, formerFrom } from '../../laptop/names/former-file.ts';
import type { SplitNames } from '../../laptop/names/split-names.ts';
import type { IpAddress } from '../../net/address.ts';
import { isAlive } from '../owner.ts';
import type { NamePaths } from './paths.ts';

const recordSchema = z.object({
  profile: z.string(),
  device: z.string(),
  backend: z.enum(['systemd-resolved', 'resolvconf', 'resolv.conf']),
  owner: z.object({ pid: z.number(), started: z.number() }),
  /** Of the forwarder, where there is one. */
  address: z.string().optional(),
  names: z.object({
    servers: z.array(z.string().transform((text) => text as IpAddress)),
    zones: z.array(z.string()),
    search: z.array(z.string()),
    everything: z.boolean(),
  }),
});

/** What a profile has done to this machine's names, kept so that another process can undo it. */
export type NamesRecord = z.infer<typeof recordSchema>;

/** The folder of all records. */
export function recordFolder({ run }: NamePaths): string {
  return join(run, 'sallyport', 'names');
}

/** All records, the oldest owner first. */
export async function readRecords(paths: NamePaths): Promise<readonly NamesRecord[]> {
  const folder = recordFolder(paths);
  const files = (await readdir(folder).catch(absent)) ?? [];
  const records = await Promise.all(
    files.filter((file) => file.endsWith('.json') && file !== FORMER).map((file) => readRecord(join(folder, file))),
  );
  return records
    .flatMap((record) => (record === undefined ? [] : [record]))
    .sort((one, other) => one.owner.started - other.owner.started || (one.profile < other.profile ? -1 : 1));
}

/** Those whose process runs, and the others. */
export async function sortedOut(
  records: readonly NamesRecord[],
): Promise<{ readonly live: readonly NamesRecord[]; readonly dead: readonly NamesRecord[] }> {
  const alive = await Promise.all(records.map(({ owner }) => isAlive(owner)));
  return { live: records.filter((_, at) => alive[at]), dead: records.filter((_, at) => !alive[at]) };
}

/** Keeps a record, in place of an older one of the same profile. */
export function writeRecord(paths: NamePaths, record: NamesRecord): Promise<void> {
  return writeWhole(paths, fileOf(record), record);
}

/** The record with other names. */
export function recordOf(record: NamesRecord, { servers, zones, search, everything }: SplitNames): NamesRecord {
  return { ...record, names: { servers: [...servers], zones: [...zones], search: [...search], everything } };
}

/** Forgets a record; none is no error. */
export function removeRecord(paths: NamePaths, record: Pick<NamesRecord, 'profile'>): Promise<void> {
  return rm(join(recordFolder(paths), fileOf(record)), { force: true });
}

/** Removes the folder where nothing is recorded any more. */
export async function leaveNoFolder(paths: NamePaths): Promise<void> {
  await rmdir(recordFolder(paths)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error;
  });
}

const FORMER = 'former.json';

/** What resolv.conf was before us, kept beside what our file itself carries. */
export async function readFormer(paths: NamePaths): Promise<FormerFile | undefined> {
  const text = await readFile(join(recordFolder(paths), FORMER), 'utf8').catch(absent);
  return text === undefined ? undefined : formerFrom(jsonIn(text));
}

/** Saves it, or with `undefined` forgets it. */
export async function saveFormer(paths: NamePaths, former: FormerFile | undefined): Promise<void> {
  if (former !== undefined) await writeWhole(paths, FORMER, former);
  else await rm(join(recordFolder(paths), FORMER), { force: true });
}

async function writeWhole(paths: NamePaths, name: string, value: unknown): Promise<void> {
  const folder = recordFolder(paths);
  const path = join(folder, name);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const text = `${JSON.stringify(value)}\n`;
  if ((await readFile(path, 'utf8').catch(absent)) === text) return;
  await writeFile(`${path}.new`, text, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

/** Undefined for a file that is gone or holds something else: nothing can be undone by that. */
async function readRecord(path: string): Promise<NamesRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(absent);
  return text === undefined ? undefined : recordSchema.safeParse(jsonIn(text)).data;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A profile may be called `former` too. */
function fileOf({ profile }: Pick<NamesRecord, 'profile'>): string {
  return `profile-${profile}.json`;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

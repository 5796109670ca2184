import { readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Commands } from '../../host/exec.ts';
import { writeScratch } from '../../host/scratch.ts';
import { parseResolvConf, withOurServers } from '../../laptop/names/resolv-conf.ts';
import {
  hasOurEntry,
  otherEntries,
  RESOLVCONF_ADD,
  RESOLVCONF_REMOVE,
  resolvconfEntry,
} from '../../laptop/names/resolvconf.ts';
import type { NamePaths } from './paths.ts';
import { type NamesRecord, readFormer, recordFolder, saveFormer } from './records.ts';
import { formerText, linkTarget, readResolv, resolvPath, restore, writeOurs } from './resolv-file.ts';

/** What was found where the forwarders were put in. */
export interface Placed {
  /** The servers that others say are to be asked, ours never among them. */
  readonly former: readonly string[];
  /** Whether others had said something else in the meantime. */
  readonly wasReplaced: boolean;
  /** Where others would say something else: files, and folders that end in a slash. */
  readonly watched: readonly string[];
}

/** A place where the C library finds its DNS servers. */
export interface Placement {
  /** Makes it name the forwarders of these profiles; with none, puts back what was there. Safe to repeat. */
  place(records: readonly NamesRecord[]): Promise<Placed>;
}

/** Our entry, as resolvconf reads it. */
const ENTRY_FILE = 'resolvconf-entry';
const NOWHERE: Placed = { former: [], wasReplaced: false, watched: [] };

/** /etc/resolv.conf itself. */
export function plainPlacement(paths: NamePaths): Placement {
  return {
    async place(records) {
      const file = await readResolv(paths);
      const former = file.former ?? (await readFormer(paths));
      if (former === undefined)
        throw new Error(`${resolvPath(paths)} no longer says what it was before sallyport; write it anew`);
      if (records.length === 0) {
        if (file.isOurs) await restore(paths, former);
        await saveFormer(paths, undefined);
        return NOWHERE;
      }
      await saveFormer(paths, former);
      const before = await formerText(former, paths);
      const servers = { ...ourServers(records), keepsFormer: await keepsFormer(records), hostDomain: hostDomain() };
      await writeOurs(paths, withOurServers(before, servers), former);
      const target = linkTarget(former, paths);
      return {
        former: withoutOurs(parseResolvConf(before).nameservers, records),
        wasReplaced: !file.isOurs,
        watched: [resolvPath(paths), ...(target === undefined ? [] : [target])],
      };
    },
  };
}

/** The file that resolvconf generates (openresolv, or Debian's package of that name). */
export function resolvconfPlacement(paths: NamePaths, commands: Commands): Placement {
  const folders = ['interfaces', 'interface'].map((name) => join(paths.run, 'resolvconf', name));
  const entryFile = join(recordFolder(paths), ENTRY_FILE);
  return {
    async place(records) {
      const entries = await listed(commands, folders);
      if (records.length === 0) {
        if (hasOurEntry(entries)) await commands.run(RESOLVCONF_REMOVE);
        await rm(entryFile, { force: true });
        return NOWHERE;
      }
      const others = otherEntries(entries);
      const entry = resolvconfEntry({ ...ourServers(records), others: others.search });
      const wasReplaced = !hasOurEntry(entries) || (await readFile(entryFile, 'utf8').catch(() => '')) !== entry;
      if (wasReplaced) {
        const inputFile = await writeScratch(recordFolder(paths), ENTRY_FILE, entry);
        await commands.run(RESOLVCONF_ADD, { inputFile });
      }
      const former = withoutOurs(others.nameservers, records);
      return { former, wasReplaced, watched: folders.map((folder) => `${folder}/`) };
    },
  };
}

function ourServers(records: readonly NamesRecord[]) {
  return {
    addresses: records.flatMap(({ address }) => (address === undefined ? [] : [address])),
    search: [...new Set(records.flatMap(({ names }) => names.search))],
  };
}

/** So no question goes round in a ring. */
function withoutOurs(servers: readonly string[], records: readonly NamesRecord[]): readonly string[] {
  return servers.filter((server) => !records.some(({ address }) => address === server));
}

async function keepsFormer(records: readonly NamesRecord[]): Promise<boolean> {
  if (records.some(({ names }) => names.everything)) return false;
  const libraries = await readdir('/lib').catch(() => []);
  return !libraries.some((file) => file.startsWith('ld-musl-'));
}

/** As resolv.conf(5) has it: everything after the first dot of the host's name. */
function hostDomain(): string {
  const name = hostname();
  return name.includes('.') ? name.slice(name.indexOf('.') + 1) : '';
}

/** Debian's own resolvconf lists its entries since version 1.85. */
async function listed(commands: Commands, folders: readonly string[]): Promise<string> {
  const text = await commands.run(['resolvconf', '-l']).catch(() => undefined);
  if (text !== undefined) return text;
  const entries = await Promise.all(folders.map(entriesIn));
  return entries.flat().join('\n');
}

async function entriesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return Promise.all(
    names.map(async (name) => `# resolv.conf from ${name}\n${await readFile(join(folder, name), 'utf8')}`),
  );
}

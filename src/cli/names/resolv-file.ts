import { randomBytes } from 'node:crypto';
import { chmod, chown, lstat, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type FormerFile, formerIn, isMarked, markedText } from '../../laptop/names/former-file.ts';
import type { NamePaths } from './paths.ts';

/** What /etc/resolv.conf holds now. */
export interface ResolvFile {
  /** Whether we wrote it. */
  readonly isOurs: boolean;
  /** What is there, or what was there before us; undefined where ours no longer says. */
  readonly former: FormerFile | undefined;
  /** The text that was there before us, behind a link too; empty where there is none. */
  readonly formerText: string;
}

/** The path of resolv.conf. */
export function resolvPath({ etc }: NamePaths): string {
  return join(etc, 'resolv.conf');
}

/** The file that a link leads to; undefined for anything else. */
export function linkTarget(former: FormerFile, paths: NamePaths): string | undefined {
  return former.kind === 'link' ? resolve(dirname(resolvPath(paths)), former.target) : undefined;
}

/** Reads resolv.conf and, where it is ours, what stood there before. */
export async function readResolv(paths: NamePaths): Promise<ResolvFile> {
  const now = await present(resolvPath(paths));
  const text = now.kind === 'file' ? textOf(now) : '';
  const isOurs = isMarked(text);
  const former = isOurs ? formerIn(text) : now;
  return { isOurs, former, formerText: former === undefined ? '' : await formerText(former, paths) };
}

/** The text of what stood there before us. */
export async function formerText(former: FormerFile, paths: NamePaths): Promise<string> {
  const target = linkTarget(former, paths);
  if (target !== undefined) return (await readable(target)) ?? '';
  return former.kind === 'file' ? textOf(former) : '';
}

/** Puts our text in place of the former file; changes nothing where it is there already. */
export async function writeOurs(paths: NamePaths, text: string, former: FormerFile): Promise<void> {
  const path = resolvPath(paths);
  const ours = markedText(text, former);
  const now = await present(path);
  if (now.kind === 'file' && textOf(now) === ours) return;
  const owner = former.kind === 'file' ? former : { mode: 0o644, uid: 0, gid: 0 };
  await replaced(path, Buffer.from(ours), owner);
}

/** Puts back what was there, byte by byte. */
export async function restore(paths: NamePaths, former: FormerFile): Promise<void> {
  const path = resolvPath(paths);
  if (former.kind === 'file') await replaced(path, Buffer.from(former.base64, 'base64'), former);
  else if (former.kind === 'absent') await rm(path, { force: true });
  else await relinked(path, former.target);
}

async function present(path: string): Promise<FormerFile> {
  const stat = await lstat(path).catch(nothing);
  if (stat === undefined) return { kind: 'absent' };
  if (stat.isSymbolicLink()) return { kind: 'link', target: await readlink(path) };
  const base64 = (await readFile(path)).toString('base64');
  return { kind: 'file', base64, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
}

interface Owner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Readers see the old file or the new one, whole. A file that is a mount of its own, as in containers, can only be written over. */
async function replaced(path: string, bytes: Uint8Array, { mode, uid, gid }: Owner): Promise<void> {
  const fresh = beside(path);
  try {
    await writeFile(fresh, bytes, { mode: 0o600, flag: 'wx' });
    if (process.getuid?.() === 0) await chown(fresh, uid, gid);
    await chmod(fresh, mode);
    await rename(fresh, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EBUSY') throw error;
      await writeFile(path, bytes);
    });
  } catch (cause) {
    throw new Error(`write ${path}`, { cause });
  } finally {
    await rm(fresh, { force: true });
  }
}

async function relinked(path: string, target: string): Promise<void> {
  const fresh = beside(path);
  try {
    await symlink(target, fresh);
    await rename(fresh, path);
  } catch (cause) {
    throw new Error(`link ${path} to ${target}`, { cause });
  } finally {
    await rm(fresh, { force: true });
  }
}

/** A name of its own in the same folder: a rename never leaves its file system. */
function beside(path: string): string {
  return `${path}.sallyport-${randomBytes(6).toString('hex')}`;
}

function textOf({ base64 }: { readonly base64: string }): string {
  return Buffer.from(base64, 'base64').toString();
}

function readable(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(nothing);
}

function nothing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  return undefined;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { poll, say, step } from './progress.ts';
import { anythingLeft, reap } from './reap.ts';
import { guardLock, isAlive, ownerLock, readRecord, tryLock } from './record.ts';

/** The right to be a lab's only owner, and the duty to remove it. */
export interface Ownership {
  /** Gives the lab up without removing it: it lives on. */
  keep(): Promise<void>;
  /** Removes the lab. */
  remove(): Promise<void>;
}

/**
 * Becomes the owner of the lab with this name, after removing what a crash left of an earlier one. From now on the lab
 * is removed when this process ends, in whatever way. @throws Error if the lab is in use or was left running on purpose.
 */
export async function takeOwnership(name: string): Promise<Ownership> {
  if (process.getuid?.() !== 0)
    throw new Error('the lab needs root: it makes network namespaces, mounts and control groups');
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name))
    throw new Error(`"${name}" is no name for a lab: a-z, 0-9 and "-", at most 31`);
  const lock = await lockLab(name);
  const record = readRecord(name);
  if (record?.kept && record.init && isAlive(record.init)) {
    lock.close();
    throw new Error(`lab ${name} is up already; remove it with: node test/lab/main.ts down --name ${name}`);
  }
  if (anythingLeft(name)) {
    say(`removing what an earlier lab ${name} left behind`);
    await reap(name);
  }
  const guard = await startGuard(name);
  let dismissed: Promise<void> | undefined;
  // Asked twice, it waits for the same end.
  const dismiss = (word: string) => {
    dismissed ??= dismissGuard(guard, word).then(() => void lock.close());
    return dismissed;
  };
  return { keep: () => dismiss('keep\n'), remove: () => step('removing the lab', dismiss('')) };
}

/** Removes a lab that outlived its owner; one that does not exist is no error. @throws Error if its owner lives. */
export async function removeKept(name: string): Promise<void> {
  const lock = await lockLab(name);
  await step('removing the lab', reap(name));
  lock.close();
}

/** The lock, once no guard of a former owner is at work any more. */
async function lockLab(name: string): Promise<{ close(): void }> {
  const lock = await tryLock(ownerLock(name));
  if (!lock) throw new Error(`lab ${name} is in use by another process`);
  const noGuard = await step(
    'waiting for the removal of the former lab',
    poll(`guard of ${name}`, () => tryLock(guardLock(name))),
  );
  noGuard.close();
  return lock;
}

async function startGuard(name: string): Promise<ChildProcess> {
  const guard = spawn(process.execPath, [`${import.meta.dirname}/guard.ts`, name], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(guard, 'exit').then(([code]) => {
    throw new Error(`the lab's guard ended with ${code}`);
  });
  ended.catch(() => undefined);
  await Promise.race([once(guard.stdout as Socket, 'data'), ended]);
  guard.stdout?.destroy();
  guard.unref();
  (guard.stdin as Socket).unref();
  return guard;
}

async function dismissGuard(guard: ChildProcess, word: string): Promise<void> {
  const gone = once(guard, 'exit');
  guard.ref();
  guard.stdin?.end(word);
  if (guard.exitCode === null && guard.signalCode === null) await gone;
}

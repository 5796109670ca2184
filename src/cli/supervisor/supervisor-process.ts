import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { startLeaving } from '../../host/attended.ts';
import { UserError } from '../output.ts';
import { isAlive, type Owner } from '../owner.ts';
import { ownerFile } from './status-socket.ts';

const readySchema = z.object({
  problem: z.string().exactOptional(),
  did: z.array(z.string()).exactOptional(),
  unanswered: z.array(z.string()).exactOptional(),
});

/** A supervisor's first line on stdout: what it did to bring the tunnel up and which gateways have not answered, or why it could not. */
export type Ready = Readonly<z.infer<typeof readySchema>>;

/** How the supervisor of a profile is started. */
export interface SupervisorWords {
  readonly profile: string;
  readonly profiles: string;
  readonly runFolder: string;
  readonly names: boolean;
  readonly full: boolean;
  readonly verbose: boolean;
}

const POLL_MS = 50;
/** Longer than it takes to give names back and to end wireguard-go. */
const PATIENCE_MS = 10_000;
const TAIL_BYTES = 2_000;

/** Starts the supervisor as a process of its own that outlives this one; returns once the tunnel is up. @throws {UserError} with its reason when it is not */
export async function startSupervisor(words: SupervisorWords): Promise<Ready> {
  mkdirSync(words.runFolder, { recursive: true, mode: 0o755 });
  const logFile = supervisorLog(words.runFolder, words.profile);
  const { line } = await startLeaving(
    [process.execPath, process.argv[1] ?? '', ...supervisorArguments(words)],
    logFile,
  );
  if (line === undefined) throw new UserError(`the tunnel's supervisor ended at once; it said: ${tail(logFile)}`);
  const ready = readySchema.parse(JSON.parse(line));
  if (ready.problem !== undefined) throw new UserError(ready.problem);
  return ready;
}

/** The command line of the supervisor, after the program's. */
export function supervisorArguments(words: SupervisorWords): readonly string[] {
  const { profile, profiles, runFolder, names, full, verbose } = words;
  const folders = ['--profiles', profiles, '--run-folder', runFolder];
  const flags = [...(names ? [] : ['--no-names']), ...(full ? ['--full'] : []), ...(verbose ? ['--verbose'] : [])];
  return ['supervise', profile, ...folders, ...flags];
}

/** Where the supervisor of a profile writes what it does. */
export function supervisorLog(runFolder: string, profile: string): string {
  return join(runFolder, `${profile}.log`);
}

/** Ends the supervisor of the profile, which takes the tunnel down; one that hangs is killed. Says whether it ended by itself. */
export async function stopSupervisor(runFolder: string, profile: string, patienceMs = PATIENCE_MS): Promise<boolean> {
  const owner = ownerIn(ownerFile(runFolder, profile));
  if (owner === undefined || !(await isAlive(owner))) return false;
  process.kill(owner.pid, 'SIGTERM');
  for (let waited = 0; waited < patienceMs; waited += POLL_MS) {
    if (!(await isAlive(owner))) return true;
    await delay(POLL_MS);
  }
  process.kill(owner.pid, 'SIGKILL');
  return false;
}

/** Undefined where there is no such file, or a killed writer left half of one. */
function ownerIn(file: string): Owner | undefined {
  if (!existsSync(file)) return undefined;
  const [, pid, started] = /^\{"pid":(\d+),"started":(\d+)\}$/.exec(readFileSync(file, 'utf8')) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), started: Number(started) };
}

function tail(file: string): string {
  const { size } = statSync(file);
  const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(descriptor);
  }
  return buffer.toString().trim() || 'nothing';
}

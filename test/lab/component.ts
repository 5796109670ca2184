import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemGroups } from './cgroups.ts';
import { GO_ENVIRONMENT } from './go-environment.ts';
import { lastLines } from './log.ts';
import { enter, execInside, type Sandbox } from './sandbox.ts';

/** A long-running program of the lab. */
export interface ComponentSpec {
  readonly sandbox: Sandbox;
  /** Unique in its sandbox. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Its output's file, as the machine sees it. */
  readonly log: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Is told when the program ends, which none should do by itself. */
  readonly onEnded?: (error: Error) => void;
}

/** A started program of the lab. */
export interface Component {
  readonly name: string;
  /** Waits for work, unless the program ends before. @throws Error with the last lines of the program's log. */
  until<T>(work: Promise<T>): Promise<T>;
}

/** Starts a program inside a sandbox. It survives this process, but never its sandbox. */
export async function startComponent(spec: ComponentSpec): Promise<Component> {
  await mkdir(dirname(spec.log), { recursive: true });
  const log = openSync(spec.log, 'a');
  const become = ['sh', '-c', BECOME, 'component', pidFile(spec.sandbox, spec.name)];
  const child = spawn('nsenter', [...enter(spec.sandbox), ...become, ...spec.argv], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...GO_ENVIRONMENT, ...spec.env, ...systemGroups(spec.sandbox.lab) },
  });
  closeSync(log);
  child.unref();
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new ComponentEnded(spec, code ?? signal ?? 'unknown')));
  });
  ended.catch(spec.onEnded ?? (() => undefined));
  return { name: spec.name, until: (work) => Promise.race([work, ended]) };
}

/** Ends a program of the lab and waits for its end; one that does not run is no error. */
export async function stopComponent(sandbox: Sandbox, name: string): Promise<void> {
  await execInside(sandbox, stopCommand(pidFile(sandbox, name)), { timeout: 30_000 });
}

/** The command that ends the program whose process id is in a file, and waits for its end. */
export function stopCommand(pidFile: string): readonly string[] {
  return ['bash', '-c', STOP, 'stop', pidFile];
}

/** A program of the lab ended though it should run. */
export class ComponentEnded extends Error {
  constructor({ name, log }: Pick<ComponentSpec, 'name' | 'log'>, outcome: number | string) {
    super(`${name} ended (${outcome}). The end of its log:\n${lastLines(log)}`);
    this.name = 'ComponentEnded';
  }
}

/** Joins the control groups, notes its process id in this PID namespace, and becomes the program. */
const BECOME = `pidfile=$1; shift
for group in $LAB_GROUPS; do echo 0 >"$group/cgroup.procs"; done
unset LAB_GROUPS
echo $$ >"$pidfile"
exec "$@"`;

/** Asks politely for two seconds, then kills. */
const STOP = `pid=$(cat "$1") || exit 0
rm -f "$1"
kill -TERM "$pid" || exit 0
for i in {1..40}; do kill -0 "$pid" || exit 0; sleep 0.05; done
kill -KILL "$pid"
while kill -0 "$pid"; do sleep 0.02; done`;

function pidFile(sandbox: Sandbox, name: string): string {
  return `${sandbox.pids}/${name}.pid`;
}

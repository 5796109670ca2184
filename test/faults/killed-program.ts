import { API_PORT } from '../lab/addresses.ts';
import type { Cluster } from '../lab/cluster.ts';
import { controlPlaneLog } from '../lab/control-plane.ts';
import type { ExecOptions, ExecResult } from '../lab/exec.ts';
import { must, until } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';
import { execInside } from '../lab/sandbox.ts';
import type { Heal } from './fault.ts';

/** Where a program of the lab runs, by the file in which its process id stands and that of its log. */
interface Place {
  readonly pidFile: string;
  readonly log: string;
  /** How a file of /proc of a process is read; there is none of one that has ended. */
  readonly proc: (pid: string, file: 'cmdline' | 'stat') => readonly string[];
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
}

/** A program of a node, such as kube-proxy. */
export function programOf(node: LabNode, name: string): Place {
  const exec: Place['exec'] = (argv, options) => node.exec(argv, options);
  const proc: Place['proc'] = (pid, file) => ['cat', `/proc/${pid}/${file}`];
  return { pidFile: `/run/lab/${name}.pid`, log: `/var/log/${name}.log`, proc, exec };
}

/** A program of the control plane, such as etcd. */
export function controlProgramOf({ sandbox }: Cluster, name: string): Place {
  const exec: Place['exec'] = (argv, options) => execInside(sandbox, argv, options);
  // There /proc is the machine's, which knows the process by another number.
  const proc: Place['proc'] = (pid, file) => [
    'unshare',
    '-m',
    'sh',
    '-ec',
    'mount -t proc proc /proc; cat "/proc/$1/$2"',
    'proc',
    pid,
    file,
  ];
  return { pidFile: `${sandbox.pids}/${name}.pid`, log: controlPlaneLog(sandbox.lab, name), proc, exec };
}

/**
 * What proc_pid_stat(5) shows of a process that has closed everything: a zombie, and the last of its threads, for the first one may become a zombie
 * while others still have the files.
 */
const ENDED = /\) [ZX](?: -?\d+){16} [01] /;

/** Kills a program of the lab at once. Resolves with what starts it again as it was. */
export async function killProgram({ pidFile, log, proc, exec }: Place, path: string): Promise<Heal> {
  const pid = must(await exec(['cat', pidFile])).trim();
  const argv = must(await exec(proc(pid, 'cmdline')))
    .split('\0')
    .slice(0, -1);
  if (argv.length === 0) throw new Error(`process ${pid} of ${pidFile} does not run`);
  must(await exec(['kill', '-KILL', pid]));
  // What listens on its port again must not meet it there.
  await until(
    `the end of process ${pid}`,
    () => exec(proc(pid, 'stat')),
    ({ stdout }) => stdout === '' || ENDED.test(stdout),
  );
  return async () => must(await exec(['sh', '-c', AGAIN, 'again', pidFile, log, ...argv], { env: { PATH: path } }));
}

/**
 * Kills the API server; the heal resolves once it is ready again. With it go the programs that elsewhere end by themselves ten seconds later,
 * when they have lost their Lease: one that stays, as the lab's would without an election, begins by taking all nodes for dead, of which
 * it has not heard.
 */
export async function killApiServer(cluster: Cluster): Promise<Heal> {
  const kill = (name: string) => killProgram(controlProgramOf(cluster, name), cluster.tools.searchPath);
  const start = await kill('kube-apiserver');
  const others = await Promise.all(['kube-controller-manager', 'kube-scheduler'].map(kill));
  return async () => {
    await start();
    await apiServerAnswers(cluster);
    for (const startOther of others) await startOther();
  };
}

/** Waits until the API server says that it is ready. */
export async function apiServerAnswers({ sandbox, site, tools }: Cluster): Promise<void> {
  const ask = ['curl', '-sfk', '--max-time', '2', `https://${site.controlPlane}:${API_PORT}/readyz`];
  await until(
    'the API server',
    () => execInside(sandbox, ask, { env: { PATH: tools.searchPath } }),
    ({ stdout }) => stdout === 'ok',
  );
}

/** Of a session of its own, so that it outlives the command that starts it. */
const AGAIN = `pidfile=$1 log=$2; shift 2
setsid "$@" </dev/null >>"$log" 2>&1 &
echo $! >"$pidfile"`;

import { type ChildProcess, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * Reads `holds PID NAME` and `lets NAME` of network namespaces, and keeps those that it holds open, so that no other one gets their
 * names. Where its input ends, it ends what still runs in them: a program that has left its parent hears nothing of that one's death.
 */
const GUARD = `
  declare -A held
  while read -r what name pid; do
    if [ "$what" = holds ]; then exec {fd}<"/proc/$pid/ns/net" && held[$name]=$fd
    else fd=\${held[$name]}; exec {fd}<&-; unset "held[$name]"; fi
  done
  found=\${#held[@]}
  while [ "$found" != 0 ]; do
    found=0
    while read -r name path; do
      [ -z "\${held[$name]-}" ] && continue
      found=1
      pid=\${path#/proc/}
      kill -KILL "\${pid%%/*}"
    done < <(find /proc/[0-9]*/ns/net -maxdepth 0 -printf '%l %p\\n')
    [ "$found" = 0 ] || sleep 0.05
  done
`;

let guard: ChildProcess | undefined;

/** Has whatever runs in the network namespace of a process end with the present process, whatever ends that. Resolves with the namespace's name. */
export function holdNamespace(pid: number): string {
  const name = readlinkSync(`/proc/${pid}/ns/net`);
  guard ??= startGuard();
  guard.stdin?.write(`holds ${name} ${pid}\n`);
  return name;
}

/** Leaves to itself what runs in a network namespace, by the name that `holdNamespace` gave. */
export function letNamespace(name: string): void {
  guard?.stdin?.write(`lets ${name}\n`);
}

function startGuard(): ChildProcess {
  const child = spawn('bash', ['-c', GUARD], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}

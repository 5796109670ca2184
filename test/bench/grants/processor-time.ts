import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Namespace } from '../../netns/namespace.ts';

/** What the kernel does for packets once it has too much of that to do at once. */
const KERNEL = /^\d+ \(ksoftirqd\//;

/**
 * How much processor time everything in these namespaces has used so far, and what the kernel does for packets beside it, in milliseconds. Of
 * packets the kernel does most in whatever process sends or receives them.
 */
export function processorTime(namespaces: readonly Namespace[]): number {
  const networks = new Set(namespaces.map(({ pid }) => networkOf(String(pid))));
  let nanoseconds = 0;
  for (const id of readdirSync('/proc')) {
    if (!/^\d+$/.test(id)) continue;
    try {
      if (!networks.has(networkOf(id)) && !KERNEL.test(readFileSync(`/proc/${id}/stat`, 'utf8'))) continue;
      for (const task of readdirSync(`/proc/${id}/task`))
        nanoseconds += Number(readFileSync(`/proc/${id}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return nanoseconds / 1e6;
}

function networkOf(id: string): string {
  return readlinkSync(`/proc/${id}/ns/net`);
}

import { readdirSync, readFileSync } from 'node:fs';

/** Guests that were begun here a moment ago, which may not be seen among the processes yet. */
let begun: readonly { readonly processor: number; readonly at: number }[] = [];
const SEEN_AFTER_MS = 3000;

/**
 * The processor for the next guest: one of those with the fewest. A guest has one, and each of its system calls goes from one process of
 * the host to another and back: on two processors that wakes an idle one every time, which takes several times as long where the host
 * itself is a virtual machine. Two guests on one processor starve each other, and the host's scheduler may not part them.
 */
export function processorForGuest(kernel: string): number {
  const now = performance.now();
  begun = begun.filter(({ at }) => now - at < SEEN_AFTER_MS);
  const taken = [...runningGuests(kernel), ...begun.map(({ processor }) => processor)];
  const processor = leastTaken(allowedProcessors('self') ?? [0], taken);
  begun = [...begun, { processor, at: now }];
  return processor;
}

/** Which of the allowed processors occurs least among the taken ones; the first of several. */
export function leastTaken(allowed: readonly number[], taken: readonly number[]): number {
  const guestsOn = (processor: number) => taken.filter((other) => other === processor).length;
  return allowed.toSorted((one, other) => guestsOn(one) - guestsOn(other))[0] ?? 0;
}

/** The numbers in a list as the kernel writes them, e.g. 0-3,8 (cpuset(7), "List format"). */
export function listed(text: string): readonly number[] {
  return text.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

/** The processors of the guests that run this kernel. A guest is many processes of the host with one command line. */
function runningGuests(kernel: string): readonly number[] {
  const guests = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = lookedUp(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    const [processor] = command?.startsWith(`${kernel}\0`) === true ? (allowedProcessors(pid) ?? []) : [];
    if (command !== undefined && processor !== undefined) guests.set(command, processor);
  }
  return [...guests.values()];
}

function allowedProcessors(pid: string): readonly number[] | undefined {
  const status = lookedUp(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? [];
  return list === undefined ? undefined : listed(list);
}

/** A process may end while it is looked at. */
function lookedUp<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

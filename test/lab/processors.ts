import { readdirSync, readFileSync } from 'node:fs';

/** Guests that were begun here and may not be seen among the processes yet. */
const begun: number[] = [];

/**
 * The processor for the next guest: one of those with the fewest. A guest has one, and each of its system calls goes from one process of
 * the host to another and back: on two processors that wakes an idle one every time, which takes several times as long where the host
 * itself is a virtual machine. Two guests on one processor starve each other, and the host's scheduler may not part them.
 */
export function processorForGuest(kernel: string): number {
  const allowed = allowedProcessors('self') ?? [0];
  const taken = [...runningGuests(kernel), ...begun];
  const guestsOn = (processor: number) => taken.filter((other) => other === processor).length;
  const [first = 0] = allowed.toSorted((one, other) => guestsOn(one) - guestsOn(other));
  begun.push(first);
  return first;
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

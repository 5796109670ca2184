import { setTimeout as delay } from 'node:timers/promises';
import type { Names } from '../dataplane/node-plan.ts';
import type { Commands } from './exec.ts';

/** Hears why something may have changed. */
export type OnDrift = (what: string) => void;

/** One change of a table or a link comes as dozens of lines; this long after the first of them one report is made. */
const GATHER_MS = 30;
const RESTART_MS = 1000;

/** Reports what the kernel announces about our table, interface, addresses and routes, and forwarding being turned off. */
export function watchKernel(commands: Commands, names: Names, signal: AbortSignal, onDrift: OnDrift): void {
  const report = gathered(signal, onDrift);
  void monitor(commands, ['nft', 'monitor'], signal, report, tableDrift(names.table));
  const objects = ['link', 'address', 'route', 'netconf'];
  void monitor(commands, ['ip', '-o', 'monitor', ...objects], signal, report, linkDrift(names.device));
}

/** What a line of `nft monitor` says about the table, if anything. */
export function tableDrift(table: string): (line: string) => string | undefined {
  return (line) => (` ${line} `.includes(` inet ${table} `) ? `nftables table ${table} changed` : undefined);
}

/** What a line of `ip -o monitor link address route netconf` says about the interface or forwarding, if anything. */
export function linkDrift(device: string): (line: string) => string | undefined {
  return (line) => {
    if (/\ball forwarding off\b/.test(line)) return 'forwarding was turned off';
    const named = line.split(/[\s:@\\]+/).includes(device);
    return named ? `interface ${device}, its addresses or its routes changed` : undefined;
  };
}

/** Runs the command until the signal aborts. While it did not run, anything may have happened. */
async function monitor(
  commands: Commands,
  argv: readonly string[],
  signal: AbortSignal,
  report: OnDrift,
  drift: (line: string) => string | undefined,
): Promise<void> {
  while (!signal.aborted) {
    const running = commands.start(argv, (line) => {
      const what = drift(line);
      if (what !== undefined) report(what);
    });
    const stop = () => void running.stop();
    signal.addEventListener('abort', stop, { once: true });
    await running.exited;
    signal.removeEventListener('abort', stop);
    await delay(RESTART_MS, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) report(`\`${argv.slice(0, 3).join(' ')}\` ended and was started again`);
  }
}

/** Makes one report of equal ones that come together. */
function gathered(signal: AbortSignal, onDrift: OnDrift): OnDrift {
  const pending = new Set<string>();
  return (what) => {
    if (pending.has(what)) return;
    pending.add(what);
    setTimeout(() => {
      pending.delete(what);
      if (!signal.aborted) onDrift(what);
    }, GATHER_MS);
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import { SEEN_PREFIX } from '../dataplane/nftables/counted.ts';
import { isTrace, type ToldPacket, toldPacket } from '../dataplane/nftables/told-packet.ts';
import type { Names } from '../dataplane/node-plan.ts';
import type { Commands } from './exec.ts';

/** Hears why something may have changed, and by which program where the kernel says so. */
export type OnDrift = (what: string, by?: string) => void;

/** Hears of packets that rules tell of. */
export type OnTold = (packet: ToldPacket) => void;

/** One change of a table or a link comes as dozens of lines; this long after the first of them one report is made. */
const GATHER_MS = 30;
const RESTART_MS = 1000;

const PROXY_MODE_CHANGED = 'kube-proxy may run in another mode';
const UNWATCHED = 'ended and was started again';
/** What nftables and iptables mode make once, and take away when they go; what is in it comes and goes with every Service. */
const PROXY_OBJECT = /^(add|create|delete) (table ip kube-proxy|chain ip nat KUBE-SERVICES)( |$)/;
/** A program's name, as the kernel cuts it at 15 characters. */
const MADE_BY = /^# new generation \d+ by process \d+ \((.+)\)$/;
/** The interface of ipvs mode comes and goes; its addresses, on lines without the second colon, follow the Services. */
const PROXY_LINK = /^(Deleted )?\d+: kube-ipvs0: /;

/** What is ours, and which lines of `nft monitor` tell of what we did ourselves. */
export interface Watched {
  readonly names: Names;
  readonly isOwn: (line: string) => boolean;
  readonly onTold?: OnTold | undefined;
}

/**
 * Reports what the kernel announces about our table, interface, addresses and routes, about forwarding being turned off, and about
 * kube-proxy in another mode, which asks for another firewall. What rules of our table tell of packets is told as it comes.
 */
export function watchKernel(
  commands: Commands,
  { names, isOwn, onTold }: Watched,
  signal: AbortSignal,
  onDrift: OnDrift,
): void {
  const report = gathered(signal, onDrift);
  const drifted = transactions(tableDrift(names.table, isOwn));
  void monitor(commands, ['nft', 'monitor'], signal, report, (line) => {
    const packet = onTold === undefined ? undefined : toldPacket(line);
    if (packet?.table === names.table) onTold?.(packet);
    return drifted(line);
  });
  const objects = ['link', 'address', 'route', 'netconf'];
  const ofLinks = linkDrift([names.device, names.other]);
  void monitor(commands, ['ip', '-o', 'monitor', ...objects], signal, report, (line) => ({ what: ofLinks(line) }));
}

/** Whether a report makes worthless what is remembered of kube-proxy's mode: it may have changed, or nobody watched for a while. */
export function doubtsProxyMode(what: string): boolean {
  return what === PROXY_MODE_CHANGED || what.endsWith(UNWATCHED);
}

/** What a line of `nft monitor` says about the table or the mode of kube-proxy, if anything. */
export function tableDrift(table: string, isOwn: Watched['isOwn'] = () => false): (line: string) => string | undefined {
  const noted = new RegExp(`^(add|delete) element inet ${table} ${SEEN_PREFIX}`);
  return (line) => {
    if (PROXY_OBJECT.test(line)) return PROXY_MODE_CHANGED;
    if (isTrace(line) || noted.test(line)) return undefined;
    if (!` ${line} `.includes(` inet ${table} `) || isOwn(line)) return undefined;
    return `nftables table ${table} changed`;
  };
}

/** What lines of `nft monitor` say, and after the last one of a transaction who made that: the kernel tells both (nf_tables_fill_gen_info). */
export function transactions(
  drift: (line: string) => string | undefined,
): (line: string) => { readonly what: string | undefined; readonly by?: string } {
  let last: string | undefined;
  return (line) => {
    const [, by] = MADE_BY.exec(line) ?? [];
    if (by === undefined) {
      const what = drift(line);
      if (what !== PROXY_MODE_CHANGED) last = what ?? last;
      return { what };
    }
    const what = last;
    last = undefined;
    return { what, by };
  };
}

/** What a line of `ip -o monitor link address route netconf` says about an interface of ours, forwarding or the mode of kube-proxy, if anything. */
export function linkDrift(devices: readonly string[]): (line: string) => string | undefined {
  return (line) => {
    if (/\ball forwarding off\b/.test(line)) return 'forwarding was turned off';
    if (PROXY_LINK.test(line)) return PROXY_MODE_CHANGED;
    const words = line.split(/[\s:@\\]+/);
    const device = devices.find((name) => words.includes(name));
    return device !== undefined ? `interface ${device}, its addresses or its routes changed` : undefined;
  };
}

/** Runs the command until the signal aborts. While it did not run, anything may have happened. */
async function monitor(
  commands: Commands,
  argv: readonly string[],
  signal: AbortSignal,
  report: OnDrift,
  drift: (line: string) => { readonly what: string | undefined; readonly by?: string },
): Promise<void> {
  while (!signal.aborted) {
    const running = commands.start(argv, (line) => {
      const { what, by } = drift(line);
      if (what !== undefined) report(what, by);
    });
    const stop = () => void running.stop();
    signal.addEventListener('abort', stop, { once: true });
    await running.exited;
    signal.removeEventListener('abort', stop);
    await delay(RESTART_MS, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) report(`\`${argv.slice(0, 3).join(' ')}\` ${UNWATCHED}`);
  }
}

/** Makes one report of equal ones that come together, by whom the last of them that says so does. */
function gathered(signal: AbortSignal, onDrift: OnDrift): OnDrift {
  const pending = new Map<string, string | undefined>();
  return (what, by) => {
    const isPending = pending.has(what);
    pending.set(what, by ?? pending.get(what));
    if (isPending) return;
    setTimeout(() => {
      const hand = pending.get(what);
      pending.delete(what);
      if (!signal.aborted) onDrift(what, hand);
    }, GATHER_MS);
  };
}

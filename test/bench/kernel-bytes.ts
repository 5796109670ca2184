import { dirname, join } from 'node:path';
import { find, kernelProblem } from '../../scripts/support/machine.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { runInGuest } from '../kernel/guest.ts';
import { ExecError } from '../lab/exec.ts';
import type { Sample } from './kernel-bytes/in-guest.ts';
import type { Asked } from './kernel-bytes/traced.ts';
import { type Group, median, type Report, row } from './row.ts';

const SIZES = [100, 1_000, 10_000] as const;
/** The most by which a change may be dearer among many peers than among few. */
const FLAT = 1.2;
const GUEST_MS = 240_000;
const PROGRAM = join(import.meta.dirname, 'kernel-bytes/in-guest.ts');

/** What one changed peer costs at the border to a kernel that has WireGuard. */
export const kernelBytesGroup: Group = {
  name: 'kernel',
  rows: ['kernel_bytes_per_change', 'kernel_calls_per_change', 'kernel_bytes_per_look'].flatMap((stem) =>
    SIZES.map((size) => `${stem}_${size}`),
  ),
  async measure(report) {
    const samples = await measured();
    const [least] = samples;
    if (least === undefined) throw new Error('the guest measured nothing');
    for (const sample of samples) changeRows(sample, least, report);
    for (const sample of samples) lookRow(sample, report);
  },
};

async function measured(): Promise<readonly Sample[]> {
  const problem = find('strace') === undefined ? '`strace` is missing; install strace' : kernelProblem();
  if (problem !== undefined) throw new Error(problem);
  const argv = [process.execPath, PROGRAM, ...SIZES.map(String)];
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const result = await runInGuest(argv, { memory: 2048, cwd: inProject('.'), env, timeout: GUEST_MS });
  if (result.code !== 0) throw new ExecError(argv, result);
  return result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample);
}

/** The dearest kind of change stands for all. */
function changeRows(sample: Sample, least: Sample, report: Report): void {
  const { peers, changes, syncconf, setconf } = sample;
  const n = Object.values(changes).flat().length;
  for (const what of ['bytes', 'calls'] as const) {
    const kinds = Object.entries(changes).map(([kind, asked]) => `${kind}: ${said(asked, what)}`);
    const counted = what === 'bytes' ? 'of netlink messages, both ways' : 'all system calls of the programs';
    report(
      row({
        name: `kernel_${what}_per_change_${peers}`,
        unit: what,
        value: dearest(sample, what),
        goal: sample === least ? undefined : Math.floor(FLAT * dearest(least, what)),
        floor: syncconf[what],
        n,
        says: `${counted} for one change among ${peers} peers on kernel WireGuard, no look included, the most of three kinds (${kinds.join('; ')}); goal: at most ${FLAT} times that among ${least.peers}; rival: \`wg syncconf\` of the same change (\`wg setconf\`: ${setconf[what]})`,
      }),
    );
  }
}

function lookRow({ peers, peersLook, wholeLook }: Sample, report: Report): void {
  report(
    row({
      name: `kernel_bytes_per_look_${peers}`,
      unit: 'bytes',
      value: peersLook.bytes,
      n: 1,
      says: `of netlink messages, both ways, for a look at ${peers} peers, every few seconds whether anything changed or not (${peersLook.messages} messages, ${peersLook.calls} system calls of ${programs(peersLook)}); a look at everything, once a minute: ${wholeLook.bytes} in ${wholeLook.messages} (${programs(wholeLook)})`,
    }),
  );
}

function dearest({ changes }: Sample, what: 'bytes' | 'calls'): number {
  return Math.max(...Object.values(changes).map((asked) => typical(asked, what)));
}

function typical(asked: readonly Asked[], what: 'bytes' | 'calls' | 'messages'): number {
  return median(asked.map((one) => one[what]));
}

/** `132 in 2 messages by wg`. */
function said(asked: readonly Asked[], what: 'bytes' | 'calls'): string {
  const inMessages = what === 'bytes' ? ` in ${typical(asked, 'messages')} messages` : '';
  return `${typical(asked, what)}${inMessages} by ${asked.slice(0, 1).map(programs).join('')}`;
}

function programs({ programs }: Asked): string {
  return [...new Set(programs)].join(' and ') || 'nobody';
}

import { missing } from '../netns/machine.ts';
import { AuditedNode, type Told } from './audit/audited-node.ts';
import { type Group, row } from './row.ts';

const SECONDS = 30;
const ALONE = 20_000;

/** What the audit log of a node keeps up with while a device tries as many destinations as it can. */
export const auditGroup: Group = {
  name: 'audit',
  rows: ['audit_lines_per_s'],
  async measure(report) {
    if (missing !== undefined) throw new Error(missing);
    const node = await AuditedNode.start();
    let told: Told;
    try {
      told = await node.scanned(SECONDS);
    } finally {
      await node.stop();
    }
    const { seconds, lines, inLines, leftOut, refused, looks } = told;
    const perSecond = (count: number) => Math.round(count / seconds);
    const unaccounted = refused - inLines - leftOut;
    report(
      row({
        name: 'audit_lines_per_s',
        unit: 'lines/s',
        value: lines / seconds,
        floor: node.aloneIn(ALONE),
        n: lines,
        says: `that the agent's audit log wrote in ${Math.round(seconds)} s while one device dialled ${perSecond(refused)} other destinations a second, all refused; ${leftOut} of ${refused} packets got no line of their own and were counted in its left-out lines, ${unaccounted} were neither; ${looks.length} looks, of ${Math.round(Math.max(...looks))} ms at most, ${((100 * sum(looks)) / seconds / 1000).toFixed(1)} % of the time, and by intent no more than 500 lines each; floor: the log alone`,
      }),
    );
  },
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((before, one) => before + one, 0);
}

import { missing } from '../netns/machine.ts';
import { AuditedNode, type Told } from './audit/audited-node.ts';
import { withPrecedence } from './precedence.ts';
import { type Group, row } from './row.ts';

const SECONDS = 30;
const ALONE = 20_000;

/** What the audit log of a node keeps up with while devices try as many destinations as they can. */
export const auditGroup: Group = {
  name: 'audit',
  rows: ['audit_lines_per_s'],
  async measure(report) {
    if (missing !== undefined) throw new Error(missing);
    const { told, alone } = await withPrecedence(measured);
    const { seconds, lines, inLines, leftOut, refused, looks } = told;
    const perSecond = (count: number) => Math.round(count / seconds);
    const unaccounted = refused - inLines - leftOut;
    report(
      row({
        name: 'audit_lines_per_s',
        unit: 'lines/s',
        value: lines / seconds,
        floor: alone,
        n: lines,
        says: `that the agent's audit log wrote in ${Math.round(seconds)} s while two devices dialled ${perSecond(refused)} destinations a second, all refused, nearly as fast as the default of newConnectionsPerSecond lets them; ${leftOut} of ${refused} packets got no line of their own and were counted in its left-out lines, ${unaccounted} were neither; ${looks.length} looks, of ${Math.round(Math.max(...looks))} ms at most, ${((100 * sum(looks)) / seconds / 1000).toFixed(1)} % of the time, and by intent no more than 200 lines a second; floor: the log alone`,
      }),
    );
  },
};

async function measured(): Promise<{ readonly told: Told; readonly alone: number }> {
  const node = await AuditedNode.start();
  try {
    return { told: await node.scanned(SECONDS), alone: node.aloneIn(ALONE) };
  } finally {
    await node.stop();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((before, one) => before + one, 0);
}

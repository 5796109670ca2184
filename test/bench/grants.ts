import { changeRows, grantChange } from './grants/change.ts';
import { throughput, throughputRows } from './grants/throughput.ts';
import { onOneProcessor, withPrecedence } from './precedence.ts';
import { type Group, type Report, unmeasured } from './row.ts';

const PARTS = [
  { rows: throughputRows, measure: (report: Report) => onOneProcessor(() => throughput(report)) },
  { rows: changeRows, measure: (report: Report) => withPrecedence(() => grantChange(report)) },
] as const;

/** What it costs that a gateway denies by default and much is granted: its packets, and one grant more or less. */
export const grantsGroup: Group = {
  name: 'grants',
  rows: PARTS.flatMap(({ rows }) => rows),
  async measure(report, isWanted) {
    for (const { rows, measure } of PARTS) {
      if (!rows.some(isWanted)) continue;
      try {
        await measure(report);
      } catch (error) {
        for (const name of rows) report(unmeasured(name, error));
      }
    }
  },
};

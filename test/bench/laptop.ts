import { BenchLaptops } from './laptop/bench-laptops.ts';
import { failover, failoverRows } from './laptop/failover.ts';
import { footprintRows, supervisorFootprint } from './laptop/footprint.ts';
import { joinRows, joinToHttp } from './laptop/join.ts';
import { startRows, statusStart } from './laptop/start.ts';
import { type Group, type Report, unmeasured } from './row.ts';

interface Part {
  readonly rows: readonly string[];
  measure(laptops: BenchLaptops, report: Report, isWanted: (row: string) => boolean): Promise<void>;
}

/** The last one kills nodes. */
const PARTS: readonly Part[] = [
  { rows: joinRows, measure: joinToHttp },
  { rows: startRows, measure: statusStart },
  { rows: footprintRows, measure: supervisorFootprint },
  { rows: failoverRows, measure: failover },
];

/** What a person with a laptop waits for: the program as it is published, in the lab. */
export const laptopGroup: Group = {
  name: 'laptop',
  rows: PARTS.flatMap(({ rows }) => rows),
  async measure(report, isWanted) {
    const laptops = await BenchLaptops.start();
    try {
      for (const { rows, measure } of PARTS) {
        if (!rows.some(isWanted)) continue;
        try {
          await measure(laptops, report, isWanted);
        } catch (error) {
          for (const name of rows) report(unmeasured(name, error));
        }
      }
    } finally {
      await laptops.stop();
    }
  },
};

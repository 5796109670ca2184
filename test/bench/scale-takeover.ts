import { type Group, unmeasured } from './row.ts';
import { atRest, atRestRow } from './scale/at-rest.ts';
import { deadNode, deadNodeRow } from './scale/dead-node.ts';

/** What takeover costs with many devices: while nothing happens, and when a node with a thousand of them dies. */
export const scaleTakeoverGroup: Group = {
  name: 'scale-takeover',
  rows: [atRestRow, deadNodeRow],
  async measure(report, isWanted) {
    for (const [name, measure] of [[atRestRow, atRest] as const, [deadNodeRow, deadNode] as const])
      if (isWanted(name)) await measure(report).catch((error: unknown) => report(unmeasured(name, error)));
  },
};

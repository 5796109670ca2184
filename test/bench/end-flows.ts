import { missing } from '../netns/machine.ts';
import { type Ended, GrantedTeam } from './end-flows/granted-team.ts';
import { withPrecedence } from './precedence.ts';
import { type Group, row } from './row.ts';

const COUNTS = { end_flows_1000_s: 1_000, end_flows_5000_s: 5_000 } as const;
/** They reach the same port by another grant, so that nothing may be ended of everybody. */
const OTHERS = 10;

/** How long it takes a node to end the connections of very many devices whose one grant goes. */
export const endFlowsGroup: Group = {
  name: 'end-flows',
  rows: Object.keys(COUNTS),
  async measure(report, isWanted) {
    if (missing !== undefined) throw new Error(missing);
    for (const [name, count] of Object.entries(COUNTS)) {
      if (!isWanted(name)) continue;
      const { seconds, walk, walks } = await withPrecedence(() => ended(count));
      report(
        row({
          name,
          unit: 's',
          value: seconds,
          floor: walk,
          n: count,
          says: `from the change of a MeshAccess that no longer opens a port to ${count} devices, each with a connection, to the end of the last one, by ${walks} \`conntrack -D\`; ${OTHERS} others keep theirs to the same port by another grant; floor: one walk through the node's connections that ends none`,
        }),
      );
    }
  },
};

async function ended(count: number): Promise<Ended> {
  const team = await GrantedTeam.start(count, OTHERS);
  try {
    return await team.end();
  } finally {
    await team.stop();
  }
}

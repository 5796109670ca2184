import { newKeys, TestNode } from '../netns/mesh.ts';
import { aNodePlan, aPublicKey } from '../support/node-plans.ts';
import { type Group, row } from './row.ts';

const LOOKS = / (show|list)\b|^wg --version|^ip (-|--).*\b(show|list)\b/;

/** What a change costs in processes, on wireguard-go in a namespace of its own. */
export const commandsGroup: Group = {
  name: 'commands',
  rows: ['commands_per_changed_peer', 'noop_commands'],
  async measure(report) {
    const node = await TestNode.create();
    try {
      const peers = Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [newKeys().publicKey, [`10.213.1.${index}/32`]]),
      );
      const plan = (more: Readonly<Record<string, readonly string[]>> = {}) =>
        aNodePlan({ publicKey: node.keys.publicKey, peers: { ...peers, ...more } });
      const run = async (wishes?: Readonly<Record<string, readonly string[]>>) => {
        node.commandsRun.length = 0;
        await node.sync(plan(wishes));
        const changes = node.commandsRun.filter((line) => !LOOKS.test(line));
        return { changes, looks: node.commandsRun.length - changes.length };
      };
      await run();
      const guest = aPublicKey(7);
      const kinds = [
        ['added', await run({ [guest]: ['10.213.9.1/32'] })],
        ['given another address', await run({ [guest]: ['10.213.9.2/32'] })],
        ['removed', await run()],
      ] as const;
      const said = kinds
        .map(([kind, { changes }]) => `${kind}: ${changes.map((line) => line.split(' ')[0]).join(', ')}`)
        .join('; ');
      report(
        row({
          name: 'commands_per_changed_peer',
          unit: 'processes',
          value: Math.max(
            ...kinds.map(([, { changes }]) => changes.filter((line) => /^(wg|nft|ip) /.test(line)).length),
          ),
          goal: 1,
          n: kinds.length,
          says: `wg, nft and ip processes that change something, the most of three kinds of change among 100 peers (${said}); conntrack ends the flows of an address that was taken away`,
        }),
      );
      const idle = await run();
      report(
        row({
          name: 'noop_commands',
          unit: 'processes',
          value: idle.changes.length,
          goal: 0,
          n: 1,
          says: `processes that change something in a full sync where nothing differs; ${idle.looks} look`,
        }),
      );
    } finally {
      await node.dispose();
    }
  },
};

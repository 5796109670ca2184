import { describe } from 'vitest';
import { describeHost } from '../support/host-contract.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { missing } from './machine.ts';
import { TestNode } from './mesh.ts';

const BREAK = {
  table: `nft delete table inet ${PLAN_NAMES.table}`,
  route: `ip route delete 10.213.0.0/16 dev ${PLAN_NAMES.device}`,
  link: `ip link delete dev ${PLAN_NAMES.device}`,
};

describe.skipIf(missing)('LinuxHost', () => {
  describeHost('LinuxHost', async () => {
    const node = await TestNode.create();
    return {
      host: node.host,
      publicKey: node.keys.publicKey,
      break: async (what) => {
        await node.namespace.run(BREAK[what]);
      },
      bring: (file, presharedKey) => node.bringPresharedKey(file, presharedKey),
      dispose: () => node.dispose(),
    };
  });
});

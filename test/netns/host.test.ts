import { describe } from 'vitest';
import { because } from '../support/because.ts';
import { describeHost } from '../support/host-contract.ts';
import type { HostUnderTest } from '../support/host-under-test.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { newKeys, TestNode } from './mesh.ts';

const BREAK = {
  table: `nft delete table inet ${PLAN_NAMES.table}`,
  route: `ip route delete 10.213.0.0/16 dev ${PLAN_NAMES.device}`,
  link: `ip link delete dev ${PLAN_NAMES.device}`,
};

async function makeHost(): Promise<HostUnderTest> {
  const node = await TestNode.create();
  const other = newKeys();
  await node.bringKey(other);
  return {
    get host() {
      return node.host;
    },
    publicKey: node.keys.publicKey,
    others: [other.publicKey],
    break: async (what) => {
      await node.namespace.run(BREAK[what]);
      if (what === 'link') await node.withoutWireguardGo();
    },
    bring: (file, presharedKey) => node.bringPresharedKey(file, presharedKey),
    restart: (wireguardGo) => node.restartHost(wireguardGo),
    dispose: () => node.dispose(),
  };
}

describe.skipIf(missing)(`LinuxHost${because(missing)}`, () => {
  describeHost(
    'LinuxHost',
    makeHost,
    hasKernelWireGuard
      ? { auto: 'Kernel', dataplanes: ['Kernel', 'Userspace'], walks: 1 }
      : { auto: 'Userspace', dataplanes: ['Auto', 'Userspace'], walks: 2 },
  );
});

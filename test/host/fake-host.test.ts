import type { NodeState } from '../../src/dataplane/node-plan.ts';
import { FakeHost } from '../support/fake-host.ts';
import { describeHost } from '../support/host-contract.ts';
import { aPublicKey } from '../support/node-plans.ts';

const WITHOUT = {
  table: (state: NodeState): NodeState => ({ ...state, ruleset: undefined }),
  route: (state: NodeState): NodeState => ({ ...state, routes: [] }),
  link: (state: NodeState): NodeState => ({
    ...state,
    device: undefined,
    routes: [],
    sysctls: { ...state.sysctls, rpFilter: undefined },
  }),
};

describeHost('FakeHost', async () => {
  const host = new FakeHost();
  return {
    host,
    publicKey: aPublicKey(99),
    break: async (what) => host.drift(`${what} is gone`, WITHOUT[what]),
    bring: async (file, presharedKey) =>
      host.bringPresharedKeys(new Map(await host.presharedKeys()).set(file, presharedKey)),
    dispose: async () => undefined,
  };
});

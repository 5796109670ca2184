import type { NodeState } from '../../src/dataplane/node-plan.ts';
import { FakeHost } from '../support/fake-host.ts';
import { describeHost } from '../support/host-contract.ts';
import type { HostUnderTest } from '../support/host-under-test.ts';
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

/** Where wireguard-go ended, the link with its addresses and routes is all that is left. */
function stopped(state: NodeState): NodeState {
  if (state.device?.dataplane !== 'Userspace') return state;
  const { publicKey, ...device } = state.device;
  return { ...state, device: { ...device, stopped: true, listenPort: 0, peers: new Map() } };
}

const makeHost = async (): Promise<HostUnderTest> => {
  const host = new FakeHost();
  return {
    host,
    publicKey: aPublicKey(99),
    others: [aPublicKey(97)],
    break: async (what) => host.drift(`${what} is gone`, WITHOUT[what]),
    bring: async (file, presharedKey) =>
      host.bringPresharedKeys(new Map(await host.presharedKeys()).set(file, presharedKey)),
    restart: async (wireguardGo) => {
      if (wireguardGo === 'end') host.drift('wireguard-go ended', stopped);
    },
    dispose: async () => undefined,
  };
};

describeHost('FakeHost', makeHost, { auto: 'Kernel', dataplanes: ['Auto', 'Kernel', 'Userspace'], walks: 200 });

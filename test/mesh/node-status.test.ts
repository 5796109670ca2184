import { describe, expect, test } from 'vitest';
import { findCondition, REASONS } from '../../src/api/conditions.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { chainKey, type ForeignRuleset } from '../../src/dataplane/nftables/foreign.ts';
import type { NodeState } from '../../src/dataplane/node-plan.ts';
import { diff } from '../../src/dataplane/operation.ts';
import type { TrackingStanding } from '../../src/mesh/connection-tracking.ts';
import { planNode } from '../../src/mesh/node.ts';
import { judgeNode, type NodeFailure, type NodeFindings } from '../../src/mesh/node-status.ts';
import { topology } from '../../src/mesh/topology.ts';
import { aCondition, aKey, aReport, aServedGateway, NOW, POOL, POOL6, someFacts } from '../support/builders.ts';
import { afterOperation, BARE_NODE } from '../support/fake-host.ts';

const gateway = aServedGateway();

function served(subject = gateway): NodeState {
  const current = topology(subject);
  if (current === undefined) throw new Error('the gateway is not served');
  return diff(planNode(current, { facts: someFacts(), peers: new Map() }), BARE_NODE).reduce(afterOperation, BARE_NODE);
}

function judge(findings: Partial<NodeFindings> = {}) {
  return judgeNode(
    {
      gateway,
      hasPlan: true,
      facts: someFacts(),
      state: served(),
      probe: { reason: 'ProbeSucceeded', message: 'It works.' },
      appliedResourceVersion: '500',
      appliedGeneration: gateway.metadata.generation,
      peers: 3,
      connections: [],
      ...findings,
    },
    undefined,
    NOW,
  );
}

function answer(findings: Partial<NodeFindings>, type: string): string {
  const found = findCondition(judge(findings).conditions ?? [], type);
  return `${found?.status} ${found?.reason}`;
}

const aForwardPolicy = (policy: 'accept' | 'drop'): ForeignRuleset => {
  const chain = { family: 'ip', table: 'filter', name: 'FORWARD', type: 'filter', hook: 'forward', policy };
  return { chains: [chain], rules: new Map([[chainKey(chain), []]]), unseen: [] };
};

const anInputPolicy = (policy: 'accept' | 'drop'): ForeignRuleset => {
  const chain = { family: 'inet', table: 'hardened', name: 'in', type: 'filter', hook: 'input', policy };
  const expr = [
    { match: { op: '==', left: { payload: { protocol: 'udp', field: 'dport' } }, right: 51840 } },
    { accept: null },
  ];
  return { chains: [chain], rules: new Map([[chainKey(chain), [expr]]]), unseen: [] };
};

const failed = (reason: NodeFailure['reason']) => ({
  failure: { reason, message: `${reason} in words.` },
});

const ROOM: TrackingStanding = { reading: { entries: 40, most: 131_072 }, isNearlyFull: false, holders: undefined };
const FULL: TrackingStanding = {
  reading: { entries: 120_000, most: 131_072 },
  isNearlyFull: true,
  holders: [{ peer: 'team-a/ada' as ObjectKey, percent: 60 }],
};
const DENYING = aServedGateway({ spec: { access: { default: 'Deny' } } });
const anAccess = () =>
  meshAccessType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshAccess',
    metadata: { name: 'everything', namespace: 'shop' },
    spec: { from: [{ selector: {} }], to: [{}] },
  });

const CASES: readonly [string, Partial<NodeFindings>, string, string][] = [
  ['a node where all is well', {}, 'InterfaceUp', 'True KernelWireGuard'],
  ['a node where all is well', {}, 'ForwardingEnabled', 'True Enabled'],
  ['a node where all is well', {}, 'Programmed', 'True Programmed'],
  ['a node where all is well', {}, 'ServicesReachable', 'True ProbeSucceeded'],
  ['a node where nobody has looked', {}, 'ConnectionTracking', 'Unknown NotObserved'],
  ['a node with room', { tracking: ROOM }, 'ConnectionTracking', 'True Enough'],
  ['a node that is nearly full', { tracking: FULL }, 'ConnectionTracking', 'False NearlyFull'],
  [
    'a gateway that denies, and nobody has seen the grants',
    { gateway: DENYING },
    'GrantsOpened',
    'Unknown NotObserved',
  ],
  ['a gateway that denies', { gateway: DENYING, cutGrants: [] }, 'GrantsOpened', 'True Opened'],
  ['too many grants', { gateway: DENYING, cutGrants: [anAccess()] }, 'GrantsOpened', 'False TooMany'],
  [
    'wireguard-go',
    { state: served(aServedGateway({ spec: { dataplane: 'Userspace' } })) },
    'InterfaceUp',
    'True UserspaceWireGuard',
  ],
  ['nothing done yet', { state: undefined, appliedResourceVersion: undefined }, 'InterfaceUp', 'False ApplyFailed'],
  [
    'nothing done yet',
    { state: undefined, appliedResourceVersion: undefined },
    'Programmed',
    'False WaitingForGateway',
  ],
  ['nothing done yet', { state: BARE_NODE }, 'ForwardingEnabled', 'False Disabled'],
  ['a node that could not be looked at', { state: undefined }, 'ForwardingEnabled', 'Unknown NotObserved'],
  ['a gateway that is not accepted', { hasPlan: false }, 'Programmed', 'False WaitingForGateway'],
  [
    'a gateway that is being deleted',
    { gateway: aServedGateway({ metadata: { deletionTimestamp: '2026-08-01T00:00:00Z' } }), ...failed('ApplyFailed') },
    'Programmed',
    'False CleaningUp',
  ],
  [
    'no WireGuard at all',
    { state: undefined, ...failed('WireGuardUnavailable') },
    'InterfaceUp',
    'False WireGuardUnavailable',
  ],
  ['a port that another program has', failed('PortBusy'), 'InterfaceUp', 'False PortBusy'],
  ['a port that another program has', failed('PortBusy'), 'Programmed', 'False ApplyFailed'],
  ['no nft', { state: undefined, ...failed('ProgramMissing') }, 'InterfaceUp', 'False ProgramMissing'],
  ['no conntrack', failed('ProgramMissing'), 'InterfaceUp', 'True KernelWireGuard'],
  ['no conntrack', failed('ProgramMissing'), 'Programmed', 'False ProgramMissing'],
  ['a node that somebody else changes again and again', { contested: 'x' }, 'Programmed', 'False Contested'],
  [
    'a node without IPv6 in a mesh of both',
    {
      gateway: aServedGateway({ status: { pool: [POOL, POOL6] } }),
      facts: someFacts({ ipv6: false }),
    },
    'ForwardingEnabled',
    'True SingleFamily',
  ],
  ['a node without IPv6 in a mesh without', { facts: someFacts({ ipv6: false }) }, 'ForwardingEnabled', 'True Enabled'],
  ['a firewall in the way', { foreign: aForwardPolicy('drop') }, 'ForwardingEnabled', 'False ForeignFirewall'],
  ['a firewall that lets all pass', { foreign: aForwardPolicy('accept') }, 'ForwardingEnabled', 'True Enabled'],
  ['a key that does not fit', failed('KeyMismatch'), 'InterfaceUp', 'False KeyMismatch'],
  ['a failure elsewhere', failed('ApplyFailed'), 'InterfaceUp', 'True KernelWireGuard'],
  ['a failure elsewhere', failed('ApplyFailed'), 'Programmed', 'False ApplyFailed'],
  ['connections that cannot be ended', { unended: 'No conntrack.' }, 'Programmed', 'True Programmed'],
  ['no probe yet', { probe: undefined }, 'ServicesReachable', 'Unknown NotProbed'],
  [
    'a handshake that failed',
    { probe: { reason: 'HandshakeFailed', message: 'x' } },
    'ServicesReachable',
    'False HandshakeFailed',
  ],
  ['a name that failed', { probe: { reason: 'DNSFailed', message: 'x' } }, 'ServicesReachable', 'False DNSFailed'],
  [
    'a connection that failed',
    { probe: { reason: 'TCPFailed', message: 'x' } },
    'ServicesReachable',
    'False TCPFailed',
  ],
];

describe("a node's report", () => {
  test.each(CASES)('of %s: %s', (_what, findings, type, expected) => {
    expect(answer(findings, type)).toBe(expected);
  });

  test.each(Object.entries(REASONS.MeshGatewayNode))('reaches every reason of %s', (type, reasons) => {
    const reached = CASES.flatMap(([, , asked, text]) => (asked === type ? [text.split(' ')[1]] : []));
    expect([...new Set(reached)].sort()).toEqual([...reasons].sort());
  });

  test('says nothing of grants where the gateway allows everything', () => {
    expect(answer({ cutGrants: [] }, 'GrantsOpened')).toBe('undefined undefined');
  });

  test('tells what runs, how far it is and for which generation', () => {
    expect(judge()).toMatchObject({
      dataplane: 'Kernel',
      publicKey: aKey('gateway default'),
      mtu: 1420,
      proxyMode: 'nftables',
      gatewayGeneration: 1,
      appliedResourceVersion: '500',
      peers: 3,
      connected: 0,
    });
  });

  test('speaks of the generation that the node holds, and says what keeps it from the present one', () => {
    const changed = aServedGateway({ metadata: { generation: 2 } });
    const programmed = (findings: Partial<NodeFindings>) => {
      const { gatewayGeneration, conditions = [] } = judge({ gateway: changed, ...findings });
      const { status, message, observedGeneration } = findCondition(conditions, 'Programmed') ?? {};
      return { gatewayGeneration, status, message, observedGeneration };
    };
    expect(programmed({ appliedGeneration: 2 })).toEqual({
      gatewayGeneration: 2,
      status: 'True',
      message: 'The kernel holds what the resources say.',
      observedGeneration: 2,
    });
    const behind =
      'The kernel holds what generation 1 of MeshGateway default said; generation 2 is not carried out yet';
    expect(programmed({ appliedGeneration: 1 })).toEqual({
      gatewayGeneration: 1,
      status: 'True',
      message: `${behind}.`,
      observedGeneration: 1,
    });
    expect(programmed({ appliedGeneration: 1, waitsForGrants: true }).message).toBe(
      `${behind}, until every MeshAccess, ClusterMeshAccess, Service and Namespace has been seen.`,
    );
    const failure = { reason: 'ApplyFailed', message: 'nft is gone' } as const;
    expect(programmed({ appliedGeneration: 1, failure })).toEqual({
      gatewayGeneration: 1,
      status: 'False',
      message: 'nft is gone',
      observedGeneration: 2,
    });
  });

  test('of a failing probe names the firewall too, so that the gateway shows it', () => {
    const probe = { reason: 'DNSFailed', message: 'No answer.' } as const;
    const { conditions = [] } = judge({ probe, foreign: aForwardPolicy('drop') });
    expect(findCondition(conditions, 'ServicesReachable')?.message).toMatch(/^No answer\. A firewall .* chain FORWARD/);
  });

  test('asks for forwarding of the families that the mesh has', () => {
    const dual = aServedGateway({ status: { pool: [POOL, POOL6], addresses: ['10.213.0.1', 'fd5a:11:22::1'] } });
    const off = (state: NodeState): NodeState => ({ ...state, sysctls: { ...state.sysctls, forwarding6: false } });
    expect(answer({ state: off(served()) }, 'ForwardingEnabled')).toBe('True Enabled');
    expect(answer({ state: off(served(dual)) }, 'ForwardingEnabled')).toBe('False Disabled');
  });

  test('moves a transition time when the status flips, and not otherwise', () => {
    const before = { conditions: [aCondition('Programmed', 'True', { lastTransitionTime: '2026-07-01T00:00:00Z' })] };
    const findings = { gateway, hasPlan: true, appliedResourceVersion: '1', peers: 0, connections: [] };
    const time = (change: Partial<NodeFindings>) =>
      findCondition(judgeNode({ ...findings, ...change }, before, NOW).conditions ?? [], 'Programmed')
        ?.lastTransitionTime;
    expect(time({})).toBe('2026-07-01T00:00:00Z');
    expect(time({ hasPlan: false })).toBe('2026-08-01T12:00:00Z');
  });

  test('is one that the API server stores, however much there is to tell', () => {
    const long = 'x'.repeat(40_000);
    const session = { endpoint: '192.0.2.1:1', lastHandshake: '2026-08-01T00:00:00Z', since: '2026-08-01T00:00:00Z' };
    const status = judge({
      failure: { reason: 'KeyMismatch', message: long },
      probe: { reason: 'DNSFailed', message: long },
      connections: Array.from({ length: 6000 }, (_, index) => ({ peer: `team-a/peer-${index}`, ...session })),
    });
    expect(meshGatewayNodeType.parse({ ...aReport().report, status }).status).toEqual(status);
    expect(status.connected).toBe(6000);
    expect(JSON.stringify(status).length).toBeLessThan(1_000_000);
  });
});

describe('devices that get no configuration from a node', () => {
  const told = (findings: Partial<NodeFindings>) => {
    const { conditions = [] } = judge(findings);
    return findCondition(conditions, 'InterfaceUp')?.message;
  };

  test('are told of beside an interface that is up', () => {
    const unanswered = 'Devices do not get their present configuration here: TCP port 51840 is taken.';
    expect(answer({ unanswered }, 'InterfaceUp')).toBe('True KernelWireGuard');
    expect(told({ unanswered })).toMatch(/is up, served by the kernel\. Devices do not get .* is taken\.$/);
  });

  test('are told of where a firewall drops what they ask, which leaves everything else as it is', () => {
    expect(told({ foreign: anInputPolicy('drop') })).toMatch(
      /drops what devices ask .* \(TCP port 51840\): table inet hardened, chain in\. .*iifname wg-default tcp dport 51840 accept/,
    );
    for (const type of ['InterfaceUp', 'ForwardingEnabled', 'ServicesReachable'])
      expect(answer({ foreign: anInputPolicy('drop') }, type)).toMatch(/^True /);
    expect(told({ foreign: anInputPolicy('accept') })).not.toContain('firewall');
  });
});

import { describe, expect, test } from 'vitest';
import { type Condition, findCondition, REASONS } from '../../src/api/conditions.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import type { GatewayFindings } from '../../src/mesh/gateway-checks.ts';
import { judgeGateway } from '../../src/mesh/gateway-status.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import {
  aCondition,
  aGateway,
  aKey,
  aNode,
  aReport,
  aView,
  type GatewayParts,
  NOW,
  someFindings,
  type ViewParts,
} from '../support/builders.ts';

interface Case {
  readonly gateway?: GatewayParts;
  readonly view?: ViewParts;
  readonly findings?: Partial<GatewayFindings>;
}

function judge({ gateway, view, findings }: Case = {}) {
  const subject = aGateway(gateway);
  return judgeGateway(aView({ gateways: [subject], ...view }), subject, someFindings(findings), NOW);
}

function condition(judged: Case, type: string): Condition {
  const found = findCondition(judge(judged).conditions ?? [], type);
  if (found === undefined) throw new Error(`no condition ${type}`);
  return found;
}

function answer(judged: Case, type: string): string {
  const { status, reason } = condition(judged, type);
  return `${status} ${reason}`;
}

/** Two nodes of which the test says how each does. */
function two(a: Parameters<typeof aReport>[0] | undefined, b: Parameters<typeof aReport>[0] | undefined): Case {
  const reports = [
    a === undefined ? [] : aReport({ node: 'a', ...a }),
    b === undefined ? [] : aReport({ node: 'b', ...b }),
  ];
  return { view: { nodes: [aNode('a'), aNode('b')], reports: reports.flat() } };
}

const unprogrammed = {
  status: { conditions: [aCondition('Programmed', 'False', { message: 'no module wireguard' })] },
};
const waiting = {
  status: { conditions: [aCondition('Programmed', 'False', { reason: 'WaitingForGateway', message: 'soon' })] },
};
const silent = { status: { conditions: [] } };
const unreachable = {
  status: {
    conditions: [
      aCondition('Programmed', 'True'),
      aCondition('ServicesReachable', 'False', { message: 'DNS timed out' }),
    ],
  },
};
const held = (gatewayGeneration: number) => ({ status: { gatewayGeneration } });
const unprobed = { status: { conditions: [aCondition('Programmed', 'True')] } };

describe('a gateway', () => {
  test('that works is told with what it is served', () => {
    expect(judge({ findings: { dnsServers: ['10.96.0.10' as never], peers: { accepted: 2, connected: 1 } } })).toEqual({
      observedGeneration: 1,
      publicKey: aKey('gateway default'),
      addresses: ['10.213.0.1'],
      pool: ['10.213.0.0/16'],
      endpoints: [{ endpoint: 'default.example.com:51840', source: 'Host', agent: 'Unknown' }],
      serviceCIDRs: [{ cidr: '10.96.0.0/12', source: 'ServiceCIDR kubernetes' }],
      dns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
      proxyMode: 'nftables',
      mtu: 1420,
      nodes: { selected: 1, ready: 1 },
      peers: { accepted: 2, connected: 1 },
      conditions: [
        expect.objectContaining({ type: 'Accepted', status: 'True', reason: 'Accepted' }),
        expect.objectContaining({ type: 'Programmed', status: 'True', reason: 'Programmed' }),
        expect.objectContaining({ type: 'ServicesReachable', status: 'True', reason: 'ProbeSucceeded' }),
        expect.objectContaining({ type: 'EndpointsFound', status: 'True', reason: 'Found' }),
        expect.objectContaining({ type: 'ConnectionTracking', status: 'True', reason: 'Enough' }),
        expect.objectContaining({ type: 'Ready', status: 'True', reason: 'Ready' }),
      ],
    });
  });

  test('has the MTU of its spec, else the smallest of its nodes', () => {
    const nodes = two({ status: { mtu: 1420 } }, { status: { mtu: 1370 } });
    expect(judge(nodes).mtu).toBe(1370);
    expect(judge({ ...nodes, gateway: { spec: { mtu: 1300 } } }).mtu).toBe(1300);
    expect(judge({ view: { reports: [] } }).mtu).toBeUndefined();
  });

  test('names every proxy mode of its nodes once', () => {
    expect(judge(two({ status: { proxyMode: 'iptables' } }, { status: { proxyMode: 'iptables' } })).proxyMode).toBe(
      'iptables',
    );
    expect(judge(two({ status: { proxyMode: 'nftables' } }, { status: { proxyMode: 'ipvs' } })).proxyMode).toBe(
      'ipvs, nftables',
    );
  });

  test('is told with what it would be served when it is refused, and keeps its addresses', () => {
    const refused = judge({ gateway: { status: { addresses: ['10.213.0.3'] } }, findings: { serviceCidrs: [] } });
    expect(refused).toMatchObject({ addresses: ['10.213.0.3'], publicKey: aKey('gateway default'), serviceCIDRs: [] });
  });
});

describe('Accepted', () => {
  test('carries the reason for a refusal, and Programmed and Ready follow', () => {
    const refused = { findings: { serviceCidrs: [] } };
    expect(answer(refused, 'Accepted')).toBe('False ServiceCIDRUnknown');
    expect(answer(refused, 'Programmed')).toBe('False NotAccepted');
    expect(answer(refused, 'Ready')).toBe('False NotAccepted');
    expect(condition(refused, 'Ready').message).toBe(condition(refused, 'Accepted').message);
  });
});

describe('Programmed', () => {
  test.each<[string, Case, string, readonly string[]]>([
    ['when all selected nodes are', two({}, {}), 'True Programmed', ['All 2']],
    ['not while no node is selected', { view: { nodes: [], reports: [] } }, 'False NoNodes', ['spec.nodeSelector']],
    ['not while a node has no agent', two({}, undefined), 'False WaitingForNodes', ['b', '1 of 2']],
    ['not while an agent is dead', two({}, { alive: false }), 'False WaitingForNodes', ['b', '1 of 2']],
    [
      'not while a node failed, which is told first',
      two(unprogrammed, undefined),
      'False NodesFailed',
      ['On node a: no module wireguard'],
    ],
    [
      'not while a node has not said',
      two({}, silent),
      'False WaitingForNodes',
      ['On node b: it has not reported yet.'],
    ],
    ['not while an agent waits for its first plan', two({}, waiting), 'False WaitingForNodes', ['On node b: soon']],
    ['not while a node failed and another begins', two(unprogrammed, silent), 'False NodesFailed', ['On node a']],
    [
      'not while a node holds what an earlier spec said',
      { ...two(held(2), held(1)), gateway: { metadata: { generation: 2 } } },
      'False WaitingForNodes',
      ['generation 2', 'on b (1 of 2'],
    ],
    [
      'when all nodes hold the present spec',
      { ...two(held(2), held(2)), gateway: { metadata: { generation: 2 } } },
      'True Programmed',
      ['All 2'],
    ],
  ])('%s', (_when, judged, expected, words) => {
    expect(answer(judged, 'Programmed')).toBe(expected);
    for (const word of words) expect(condition(judged, 'Programmed').message).toContain(word);
  });

  test('does not wait for a node that is no longer selected and cleans up', () => {
    const view = { nodes: [aNode('a')], reports: [aReport({ node: 'a' }), aReport({ node: 'gone', ...unprogrammed })] };
    expect(answer({ view }, 'Programmed')).toBe('True Programmed');
  });
});

describe('ServicesReachable', () => {
  test.each<[string, Case, string, readonly string[]]>([
    ['when probes of live nodes succeed', two({}, {}), 'True ProbeSucceeded', ['2 of 2']],
    [
      'not when one node fails, which is named with the step',
      two({}, unreachable),
      'False ProbeFailed',
      ['On node b: DNS timed out'],
    ],
    ['whatever a dead node said last', two({}, { alive: false, ...unreachable }), 'True ProbeSucceeded', ['1 of 1']],
    ['unknown before the first probe', two(unprobed, silent), 'Unknown NotProbed', []],
    ['unknown without a live node', two({ alive: false }, undefined), 'Unknown NotProbed', []],
    ['also while another node has yet to probe', two({}, unprobed), 'True ProbeSucceeded', ['1 of 2']],
  ])('%s', (_when, judged, expected, words) => {
    expect(answer(judged, 'ServicesReachable')).toBe(expected);
    for (const word of words) expect(condition(judged, 'ServicesReachable').message).toContain(word);
  });
});

describe('Ready', () => {
  test.each<[string, Case, string, readonly string[]]>([
    [
      'when one node is proven to work, though another does not',
      two({}, unprogrammed),
      'True Ready',
      ['1 of 2', 'Not through b'],
    ],
    ['not without an endpoint', { findings: { endpoints: [] } }, 'False NoEndpoint', ['spec.endpoint.hosts']],
    ['not while no node is up', two(undefined, undefined), 'False NotProgrammed', ['a, b']],
    [
      'not while nodes are up and probes fail',
      two(unreachable, unreachable),
      'False ServicesUnreachable',
      ['DNS timed out'],
    ],
    ['not because something was applied', two(unprobed, unprobed), 'False NotProbed', ['No node has sent']],
    [
      'not where what should be a way in is none, which is told in the same words',
      {
        gateway: { spec: { endpoint: { service: {} } } },
        findings: { endpoints: [], endpointProblems: [{ reason: 'WaitingForService', message: 'No address yet.' }] },
      },
      'False NoEndpoint',
      ['Devices have no way in: No address yet.'],
    ],
    [
      'not without nodes, which comes before the lack of endpoints',
      { view: { nodes: [], reports: [] }, findings: { endpoints: [] } },
      'False NotProgrammed',
      ['No Linux node matches'],
    ],
    [
      'not while it is being deleted',
      { gateway: { metadata: { deletionTimestamp: '2026-08-01T00:00:00Z' } } },
      'False CleaningUp',
      [],
    ],
  ])('%s', (_when, judged, expected, words) => {
    expect(answer(judged, 'Ready')).toBe(expected);
    for (const word of words) expect(condition(judged, 'Ready').message).toContain(word);
  });

  test('without a probe where there are no Services to probe', () => {
    const notProbed = aCondition('ServicesReachable', 'Unknown', { reason: 'NotProbed' });
    const view = { reports: [aReport({ status: { conditions: [aCondition('Programmed', 'True'), notProbed] } })] };
    const judged = {
      gateway: { spec: { advertise: { services: { enabled: false }, cidrs: ['172.16.0.0/12'] } } },
      view,
    };
    expect(answer(judged, 'Ready')).toBe('True Ready');
    expect(judge(judged).nodes).toEqual({ selected: 1, ready: 1 });
  });

  test('counts no more nodes than there are', () => {
    const view = { nodes: [aNode('a')], reports: [aReport({ node: 'a' }), aReport({ node: 'tainted-later' })] };
    expect(condition({ view }, 'Ready').message).toContain('2 of 2');
    expect(judge({ view }).nodes).toEqual({ selected: 1, ready: 2 });
  });
});

describe('time', () => {
  const earlier = (status: 'True' | 'False') => ({
    conditions: [aCondition('Ready', status, { lastTransitionTime: '2026-07-01T00:00:00Z' })],
  });

  test('of a transition moves when the status flips, and not otherwise', () => {
    expect(condition({ gateway: { status: earlier('True') } }, 'Ready').lastTransitionTime).toBe(
      '2026-07-01T00:00:00Z',
    );
    expect(condition({ gateway: { status: earlier('False') } }, 'Ready').lastTransitionTime).toBe(
      '2026-08-01T12:00:00Z',
    );
    expect(condition({}, 'Ready').lastTransitionTime).toBe('2026-08-01T12:00:00Z');
  });

  test('alone changes nothing: what was said once is said again', () => {
    const once = judge();
    const again = judgeGateway(aView(), aGateway({ status: once }), someFindings(), NOW + 1e9);
    expect(again).toEqual(once);
  });
});

describe('endpoints', () => {
  const at = (node: string) => ({
    endpoint: `${node}.example.com:51840` as Endpoint,
    source: 'Node' as const,
    nodes: [node],
    address: 'ExternalIP' as const,
  });
  const problem = (reason: 'InvalidAnnotation' | 'WaitingForService', message: string) => ({ reason, message });

  test('say of each whether its node serves', () => {
    const { endpoints } = judge({ ...two({}, unreachable), findings: { endpoints: [at('a'), at('b')] } });
    expect(endpoints).toMatchObject([
      { nodes: ['a'], agent: 'Serving', since: '2026-08-01T12:00:00Z' },
      { nodes: ['b'], agent: 'NotServing', since: '2026-08-01T12:00:00Z' },
    ]);
  });

  test('that are none are told, mistakes before what is waited for, and the gateway works without them', () => {
    const endpointProblems = [problem('WaitingForService', 'Wait.'), problem('InvalidAnnotation', 'Mend it.')];
    const findings = { endpointProblems };
    expect(answer({ findings }, 'EndpointsFound')).toBe('False InvalidAnnotation');
    expect(condition({ findings }, 'EndpointsFound').message).toBe('Mend it. Wait.');
    expect(answer({ findings }, 'Ready')).toBe('True Ready');
  });

  test('of which many are none are told as far as they can be read', () => {
    const endpointProblems = Array.from({ length: 9 }, (_, index) => problem('InvalidAnnotation', `Mend ${index}.`));
    expect(condition({ findings: { endpointProblems } }, 'EndpointsFound').message).toBe(
      'Mend 0. Mend 1. Mend 2. Mend 3. Mend 4. And 4 more of the kind.',
    );
  });
});

describe('a cluster however large', () => {
  const many = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, index) => make(index));
  const loud = { status: { conditions: [aCondition('Programmed', 'False', { message: 'x'.repeat(32768) })] } };
  const judged = judge({
    view: {
      nodes: many(5000, (index) => aNode(`node-${index}`)),
      reports: many(5000, (index) =>
        aReport({ node: `node-${index}`, ...loud, status: { ...loud.status, proxyMode: `mode-${index}` } }),
      ),
    },
    findings: {
      endpoints: many(5000, (index) => ({
        endpoint: `192.0.2.${index}:1` as Endpoint,
        source: 'Node' as const,
        nodes: [`node-${index}`],
        address: 'InternalIP' as const,
      })),
      endpointProblems: many(5000, (index) => ({
        reason: 'ServiceRefused' as const,
        message: `${index} ${'x'.repeat(32768)}`,
      })),
      serviceCidrs: many(100, (index) => ({
        cidr: `10.${index}.0.0/24` as Cidr,
        source: `ServiceCIDR ${'x'.repeat(253)}`,
      })),
      dnsServers: many(10, (index) => `10.96.0.${index}` as never),
      peers: { accepted: 10_000, connected: 10_000 },
    },
  });

  test('its status is one that the API server stores', () => {
    const stored = meshGatewayType.parse({ ...aGateway(), status: judged } satisfies MeshGateway);
    expect(stored.status).toEqual(judged);
    expect(JSON.stringify(judged).length).toBeLessThan(100_000);
  });
});

describe('every reason', () => {
  // Those of the key are reached in gateway-keys.test.ts, those of endpoints in endpoints.test.ts, those of limits below.
  const {
    Accepted: _,
    KeyApplied: _key,
    EndpointsFound: _endpoints,
    ConnectionTracking: _tracking,
    GrantsOpened: _grants,
    ...types
  } = REASONS.MeshGateway;
  const cases: readonly Case[] = [
    {},
    two(unprogrammed, undefined),
    two({}, undefined),
    two(unreachable, unreachable),
    two(unprobed, unprobed),
    { view: { nodes: [], reports: [] } },
    { findings: { endpoints: [] } },
    { findings: { serviceCidrs: [] } },
    { gateway: { metadata: { deletionTimestamp: '2026-08-01T00:00:00Z' } } },
  ];

  test.each(Object.entries(types))('of %s can be reached', (type, reasons) => {
    const reached = new Set(cases.map((judged) => condition(judged, type).reason));
    expect([...reached].sort()).toEqual([...reasons].sort());
  });
});

describe('a limit that some node has come to', () => {
  const saying = (type: string, status: 'True' | 'False', reason: string) => ({
    status: { conditions: [aCondition(type, status, { reason, message: `${reason} in words.` })] },
  });
  const full = saying('ConnectionTracking', 'False', 'NearlyFull');
  const enough = saying('ConnectionTracking', 'True', 'Enough');
  const denying = { spec: { access: { default: 'Deny' as const } } };
  const cut = saying('GrantsOpened', 'False', 'TooMany');
  const open = saying('GrantsOpened', 'True', 'Opened');

  const cases: readonly [string, Case, 'ConnectionTracking' | 'GrantsOpened', string][] = [
    ['a node nearly full', two(full, enough), 'ConnectionTracking', 'False NearlyFull'],
    ['a dead node nearly full', two({ ...full, alive: false }, enough), 'ConnectionTracking', 'True Enough'],
    ['nodes with room', two(enough, enough), 'ConnectionTracking', 'True Enough'],
    ['nobody has looked', two(silent, silent), 'ConnectionTracking', 'Unknown NotObserved'],
    ['more grants than a node opens', { ...two(cut, open), gateway: denying }, 'GrantsOpened', 'False TooMany'],
    ['all grants open', { ...two(open, open), gateway: denying }, 'GrantsOpened', 'True Opened'],
    [
      'grants that nobody has seen',
      { ...two(silent, silent), gateway: denying },
      'GrantsOpened',
      'Unknown NotObserved',
    ],
  ];

  test.each(cases)('is told with the node: %s', (_what, judged, type, expected) => {
    expect(answer(judged, type)).toBe(expected);
  });

  test.each(['ConnectionTracking', 'GrantsOpened'] as const)('reaches every reason of %s', (type) => {
    const reached = cases.flatMap(([, , asked, text]) => (asked === type ? [text.split(' ')[1]] : []));
    expect(new Set(reached)).toEqual(new Set(REASONS.MeshGateway[type]));
  });

  test('is told in the words of the node, and leaves the gateway ready', () => {
    const nodes = two(
      {
        status: {
          conditions: [
            ...(full.status.conditions ?? []),
            aCondition('Programmed', 'True'),
            aCondition('ServicesReachable', 'True'),
          ],
        },
      },
      {},
    );
    expect(condition(nodes, 'ConnectionTracking').message).toBe('On node a: NearlyFull in words.');
    expect(answer(nodes, 'Ready')).toBe('True Ready');
  });

  test('is none of grants where the gateway allows everything', () => {
    expect(findCondition(judge(two(cut, cut)).conditions ?? [], 'GrantsOpened')).toBeUndefined();
  });
});

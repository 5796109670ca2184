import { describe, expect, test } from 'vitest';
import { type Node, nodeType } from '../../src/api/core.ts';
import { timestamp } from '../../src/api/timestamp.ts';
import { leavingNodes } from '../../src/mesh/leaving-nodes.ts';

const NOW = 1_700_000_000_000;
const aNode = (name: string, spec: object = {}, metadata: object = {}): Node =>
  nodeType.parse({ metadata: { name, ...metadata }, spec });
const aNodeThatIs = (ready: object): Node =>
  nodeType.parse({ metadata: { name: 'a' }, status: { conditions: [{ type: 'Ready', ...ready }] } });
const taint = (key: string) => ({ taints: [{ key, effect: 'NoSchedule' }] });

describe('a node', () => {
  test.each<[string, Node, string | undefined]>([
    ['that stays', aNode('a'), undefined],
    ['with a taint of its own', aNode('a', taint('gpu')), undefined],
    ['that is cordoned', aNode('a', { unschedulable: true }), 'it is cordoned'],
    ['that is being deleted', aNode('a', {}, { deletionTimestamp: timestamp(NOW) }), 'it is being deleted'],
    [
      'that shuts down',
      aNodeThatIs({ status: 'False', reason: 'KubeletNotReady', message: 'node is shutting down' }),
      'it is shutting down',
    ],
    [
      'that did and is back',
      aNodeThatIs({ status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }),
      undefined,
    ],
    [
      'whose kubelet is not ready for another reason',
      aNodeThatIs({ status: 'False', reason: 'KubeletNotReady', message: 'PLEG is not healthy' }),
      undefined,
    ],
    [
      'that the cluster autoscaler takes away',
      aNode('a', taint('ToBeDeletedByClusterAutoscaler')),
      'it has the taint ToBeDeletedByClusterAutoscaler',
    ],
    [
      'that Karpenter takes away',
      aNode('a', taint('karpenter.sh/disrupted')),
      'it has the taint karpenter.sh/disrupted',
    ],
    [
      'that is interrupted',
      aNode('a', taint('aws-node-termination-handler/spot-itn')),
      'it has the taint aws-node-termination-handler/spot-itn',
    ],
  ])('%s', (_, node, reason) => {
    const expected = reason === undefined ? [] : [{ node: 'a', reason, since: timestamp(NOW) }];
    expect(leavingNodes(new Set(['a']), [node], [], NOW)).toEqual(expected);
  });
});

test('it keeps the time at which it was known first, stands in order, and is told only where it serves', () => {
  const nodes = ['c', 'b', 'a'].map((name) => aNode(name, { unschedulable: true }));
  const before = [{ node: 'b', reason: 'it is cordoned', since: timestamp(NOW - 60_000) }];
  const found = leavingNodes(new Set(['b', 'c']), nodes, before, NOW);
  expect(found.map(({ node, since }) => [node, since])).toEqual([
    ['b', timestamp(NOW - 60_000)],
    ['c', timestamp(NOW)],
  ]);
});

test('one that serves without being a Node of the cluster any more is', () => {
  expect(leavingNodes(new Set(['a', 'b']), [aNode('a')], [], NOW)).toEqual([
    { node: 'b', reason: 'its Node object is gone', since: timestamp(NOW) },
  ]);
});

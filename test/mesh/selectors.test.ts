import { describe, expect, test } from 'vitest';
import type { LabelSelector } from '../../src/api/fields.ts';
import { selectorMatches, servingNodes } from '../../src/mesh/selectors.ts';
import { aGateway, aNode } from '../support/builders.ts';

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

describe('a label selector, as Kubernetes reads it', () => {
  const labels = { app: 'web', tier: 'front', empty: '' };
  const requirement = (key: string, operator: Requirement['operator'], values?: string[]): LabelSelector => ({
    matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
  });

  test.each<[string, LabelSelector, boolean]>([
    ['an empty selector matches everything', {}, true],
    ['a label with the value', { matchLabels: { app: 'web' } }, true],
    ['a label with another value', { matchLabels: { app: 'db' } }, false],
    ['a label that is not there', { matchLabels: { zone: 'a' } }, false],
    ['an empty value is a value', { matchLabels: { empty: '' } }, true],
    ['an empty value is not an absent label', { matchLabels: { zone: '' } }, false],
    ['all of matchLabels must hold', { matchLabels: { app: 'web', tier: 'back' } }, false],
    ['In with the value', requirement('app', 'In', ['db', 'web']), true],
    ['In without the value', requirement('app', 'In', ['db']), false],
    ['In of an absent label', requirement('zone', 'In', ['a']), false],
    ['NotIn with the value', requirement('app', 'NotIn', ['web']), false],
    ['NotIn without the value', requirement('app', 'NotIn', ['db']), true],
    ['NotIn of an absent label', requirement('zone', 'NotIn', ['a']), true],
    ['Exists of a label', requirement('app', 'Exists'), true],
    ['Exists of an empty label', requirement('empty', 'Exists'), true],
    ['Exists of an absent label', requirement('zone', 'Exists'), false],
    ['DoesNotExist of a label', requirement('app', 'DoesNotExist'), false],
    ['DoesNotExist of an absent label', requirement('zone', 'DoesNotExist'), true],
    [
      'labels and expressions must all hold',
      { matchLabels: { app: 'web' }, ...requirement('tier', 'In', ['back']) },
      false,
    ],
    ['a label named like a property of every object', requirement('constructor', 'Exists'), false],
    ['the absence of such a label', requirement('toString', 'DoesNotExist'), true],
  ])('%s', (_what, selector, matches) => {
    expect(selectorMatches(selector, labels)).toBe(matches);
  });
});

describe('the nodes that serve a gateway', () => {
  const serving = (node: ReturnType<typeof aNode>, spec: NonNullable<Parameters<typeof aGateway>[0]>['spec'] = {}) =>
    servingNodes(aGateway({ spec }), [node]).length > 0;
  const tainted = (key: string, effect: string, value?: string) =>
    aNode('node-a', { taints: [{ key, effect, ...(value === undefined ? {} : { value }) }] });

  test('are named in order', () => {
    expect(servingNodes(aGateway(), [aNode('b'), aNode('a')])).toEqual(['a', 'b']);
  });

  test.each([
    ['every Linux node by default', aNode(), {}, true],
    ['no Windows node', aNode('w', { labels: { 'kubernetes.io/os': 'windows' } }), {}, false],
    ['a node with the labels', aNode('a', { labels: { edge: 'yes' } }), { nodeSelector: { edge: 'yes' } }, true],
    ['no node without the labels', aNode(), { nodeSelector: { edge: 'yes' } }, false],
    ['no node that is tainted against it', tainted('dedicated', 'NoSchedule', 'gpu'), {}, false],
    ['no node that evicts it', tainted('dedicated', 'NoExecute', 'gpu'), {}, false],
    ['a node that would rather not', tainted('dedicated', 'PreferNoSchedule', 'gpu'), {}, true],
    ['a cordoned node, as every DaemonSet does', tainted('node.kubernetes.io/unschedulable', 'NoSchedule'), {}, true],
    ['a node that is not ready', tainted('node.kubernetes.io/not-ready', 'NoExecute'), {}, true],
  ])('%s', (_what, node, spec, expected) => {
    expect(serving(node, spec)).toBe(expected);
  });

  const gpu = tainted('dedicated', 'NoSchedule', 'gpu');
  test.each([
    ['the same key, value and effect', { key: 'dedicated', value: 'gpu', effect: 'NoSchedule' as const }, true],
    ['the same key and value, every effect', { key: 'dedicated', value: 'gpu' }, true],
    ['another value', { key: 'dedicated', value: 'db' }, false],
    ['no value, which Equal compares as empty', { key: 'dedicated' }, false],
    ['another effect', { key: 'dedicated', value: 'gpu', effect: 'NoExecute' as const }, false],
    ['the key, whatever the value', { key: 'dedicated', operator: 'Exists' as const }, true],
    ['every key', { operator: 'Exists' as const }, true],
    ['another key', { key: 'other', operator: 'Exists' as const }, false],
  ])('a toleration of %s', (_what, toleration, expected) => {
    expect(serving(gpu, { tolerations: [toleration] })).toBe(expected);
  });

  test('every taint must be tolerated', () => {
    const node = aNode('a', {
      taints: [
        { key: 'one', effect: 'NoSchedule' },
        { key: 'two', effect: 'NoSchedule' },
      ],
    });
    expect(serving(node, { tolerations: [{ key: 'one', operator: 'Exists' }] })).toBe(false);
  });
});

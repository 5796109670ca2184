import { describe, expect, test } from 'vitest';
import { isProgrammed, isReady, some } from '../../src/mesh/view.ts';
import { aCondition, aReport } from '../support/builders.ts';

describe('a node', () => {
  const reachable = aCondition('ServicesReachable', 'True');
  const reports = (...conditions: readonly ReturnType<typeof aCondition>[]) => ({
    status: { conditions: [...conditions] },
  });

  test.each([
    ['that lives, holds everything and reaches Services', aReport(), true, true],
    ['that is dead', aReport({ alive: false }), false, false],
    ['that could not be programmed', aReport(reports(aCondition('Programmed', 'False'), reachable)), false, false],
    [
      'whose probe fails',
      aReport(reports(aCondition('Programmed', 'True'), aCondition('ServicesReachable', 'False'))),
      true,
      false,
    ],
    ['that has not probed', aReport(reports(aCondition('Programmed', 'True'))), true, false],
    ['that has said nothing', aReport(reports()), false, false],
  ])('%s', (_what, node, programmed, ready) => {
    expect(isProgrammed(node)).toBe(programmed);
    expect(isReady(node)).toBe(ready);
  });
});

describe('a few names', () => {
  test.each([
    [[], ''],
    [['a'], 'a'],
    [['a', 'b', 'c', 'd', 'e'], 'a, b, c, d, e'],
    [['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'a, b, c, d, e and 2 more'],
  ])('%j', (names, text) => {
    expect(some(names)).toBe(text);
  });
});

import { expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { judgeLeaving } from '../../src/mesh/gateway-leaving.ts';
import { aCondition, aServedGateway, NOW } from '../support/builders.ts';

test('a gateway that leaves says for whom it waits, and keeps the rest of its status', () => {
  const gateway = aServedGateway({
    status: { conditions: [aCondition('Accepted', 'True'), aCondition('Ready', 'True')] },
  });
  const status = judgeLeaving(gateway, ['a', 'b'], { now: NOW, deadline: NOW + 60_000 });
  const ready = findCondition(status.conditions ?? [], 'Ready');
  expect(ready).toMatchObject({ status: 'False', reason: 'CleaningUp', lastTransitionTime: '2026-08-01T12:00:00Z' });
  expect(ready?.message).toMatch(/waiting for a, b .* until 2026-08-01T12:01:00Z at the latest\.$/);
  expect(findCondition(status.conditions ?? [], 'Accepted')?.status).toBe('True');
  expect({ ...status, conditions: [] }).toEqual({ ...gateway.status, conditions: [] });
  expect(judgeLeaving({ ...gateway, status }, ['a', 'b'], { now: NOW + 5_000, deadline: NOW + 60_000 })).toEqual(
    status,
  );
});

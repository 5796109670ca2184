import { describe, expect, test } from 'vitest';
import { diffRoutes, routeSteps } from '../../../src/dataplane/routes/diff.ts';
import type { Route } from '../../../src/dataplane/routes/route.ts';
import type { Cidr } from '../../../src/net/cidr.ts';

const [FIRST, SECOND] = ['wg-default', 'wg-default_2'] as const;
const to = (destination: string, device: string): Route => ({ destination: destination as Cidr, device });
const hosts = (count: number) =>
  Array.from({ length: count }, (_, index) => to(`10.213.${index >> 8}.${index & 255}/32`, SECOND));
const pool = to('10.213.0.0/16', FIRST);

describe('the way from routes to others', () => {
  test('moves what leads elsewhere, adds what is missing and removes the rest', () => {
    const before = [pool, to('10.213.0.5/32', SECOND), to('10.213.0.6/32', SECOND)];
    const after = [to('10.213.0.0/16', SECOND), to('10.213.0.6/32', SECOND), to('10.213.0.7/32', SECOND)];
    expect(diffRoutes(after, before)).toEqual([
      { kind: 'move-route', route: after[0] },
      { kind: 'add-route', route: after[2] },
      { kind: 'remove-route', route: before[1] },
    ]);
  });

  test('is one step where there are many, in the same order', () => {
    const changes = diffRoutes([to('10.213.0.0/16', SECOND)], [pool, ...hosts(10_000)]);
    expect(changes).toHaveLength(10_001);
    expect(routeSteps(changes)).toEqual([{ kind: 'change-routes', changes }]);
    expect(routeSteps(changes.slice(0, 3))).toEqual(changes.slice(0, 3));
  });

  test('costs milliseconds with ten thousand of them', () => {
    const routes = [pool, ...hosts(10_000)];
    const start = process.cpuUsage();
    expect(diffRoutes(routes, [...routes].reverse())).toEqual([]);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(500);
  });
});

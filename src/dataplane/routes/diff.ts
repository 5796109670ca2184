import { type Route, routeText } from './route.ts';

/** One change of a route. One that is moved replaces ours to the same destination, so that there is one at every moment. */
export interface RouteChange {
  readonly kind: 'add-route' | 'move-route' | 'remove-route';
  readonly route: Route;
}

/** Changes of routes as steps: single ones, or all of them by as few commands as possible. */
export type RouteStep = RouteChange | { readonly kind: 'change-routes'; readonly changes: readonly RouteChange[] };

/** From so many changes on they are made together: a command of its own for each would keep a node busy for a minute with 10,000. */
const TOGETHER_FROM = 8;

/** What is to change so that the observed routes become the wanted ones; the cost grows with their number. */
export function diffRoutes(wanted: readonly Route[], observed: readonly Route[]): readonly RouteChange[] {
  const elsewhere = new Set(observed.map(({ destination }) => destination));
  const missing = without(wanted, observed);
  const moved = new Set(missing.flatMap(({ destination }) => (elsewhere.has(destination) ? [destination] : [])));
  return [
    ...missing.map((route) => ({ kind: moved.has(route.destination) ? 'move-route' : 'add-route', route }) as const),
    ...without(observed, wanted)
      .filter(({ destination }) => !moved.has(destination))
      .map((route) => ({ kind: 'remove-route', route }) as const),
  ];
}

/** The same changes in the same order, many of them as one step. */
export function routeSteps(changes: readonly RouteChange[]): readonly RouteStep[] {
  return changes.length < TOGETHER_FROM ? changes : [{ kind: 'change-routes', changes }];
}

function without(routes: readonly Route[], others: readonly Route[]): readonly Route[] {
  const there = new Set(others.map(routeText));
  return routes.filter((route) => !there.has(routeText(route)));
}

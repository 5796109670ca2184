import type { Cidr } from '../../net/cidr.ts';

/** A route to a prefix of the mesh through our interface, in the main table. */
export interface Route {
  readonly destination: Cidr;
  readonly device: string;
}

/**
 * The routing protocol number that marks our routes: only routes that carry it are ever read or removed. Numbers below 192
 * are taken by known daemons (rtnetlink.h: RTPROT_EIGRP = 192 is the highest).
 */
export const ROUTE_PROTOCOL = 213;

/** A text that is equal for routes that are the same to the kernel, and for no others. */
export function routeText({ destination, device }: Route): string {
  return `${destination} ${device}`;
}

/** Whether two routes are the same to the kernel. */
export function sameRoute(one: Route, other: Route): boolean {
  return routeText(one) === routeText(other);
}

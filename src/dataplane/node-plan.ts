import type { Family } from '../net/address.ts';
import type { ObservedRuleset, Ruleset } from './nftables/ruleset.ts';
import type { Route } from './routes/route.ts';
import type { ObservedDevice, WantedDevice } from './wireguard/device.ts';

/** The names under which everything of one gateway stands on a node. */
export interface Names {
  /** The WireGuard interface. */
  readonly device: string;
  /** The one of another key, which is there while the gateway's key is being replaced by another. */
  readonly other: string;
  /** The nftables table, family inet. */
  readonly table: string;
}

/** All that a gateway makes on one node. It holds no secret, so it may be printed, compared and kept as a golden file. */
export interface NodePlan {
  readonly device: WantedDevice;
  /** The interface of the gateway's other key; its rules are in the same table. */
  readonly other?: WantedDevice | undefined;
  readonly ruleset: Ruleset;
  readonly routes: readonly Route[];
}

/** The kernel switches that a gateway needs. */
export interface ObservedSysctls {
  readonly forwarding4: boolean;
  /** Undefined where the node has no IPv6. */
  readonly forwarding6?: boolean | undefined;
  /** The interface's own `rp_filter`; undefined while there is no interface. */
  readonly rpFilter?: number | undefined;
  /** For which families forwarding was off until we turned it on. */
  readonly turnedOn: readonly Family[];
}

/** An interface with the switch of its own. */
export interface ObservedInterface {
  readonly device: ObservedDevice;
  readonly rpFilter?: number | undefined;
}

/** What is on the node of all that a NodePlan names. */
export interface NodeState {
  readonly device?: ObservedDevice | undefined;
  readonly other?: ObservedInterface | undefined;
  readonly ruleset?: ObservedRuleset | undefined;
  /** Our routes through our interfaces. */
  readonly routes: readonly Route[];
  readonly sysctls: ObservedSysctls;
}

import type { NodePlan, NodeState } from '../../src/dataplane/node-plan.ts';
import { diff, type Operation } from '../../src/dataplane/operation.ts';
import type { DataplaneChoice, ObservedDevice } from '../../src/dataplane/wireguard/device.ts';
import type { Host } from '../../src/host/host.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { afterOperation } from './fake-host.ts';
import { PLAN_NAMES } from './node-plans.ts';

/** What can be taken away behind a host's back. */
export type Breakable = 'table' | 'route' | 'link';

/** A host on a bare node, and how to take it away. */
export interface HostUnderTest {
  /** The one after the last restart. */
  readonly host: Host;
  /** The public half of the private key that is mounted there. */
  readonly publicKey: PublicKey;
  /** Those of other private keys that are mounted there as well. */
  readonly others: readonly PublicKey[];
  /** Somebody else takes the table, the routes or the interface away. */
  readonly break: (what: Breakable) => Promise<void>;
  /** The kubelet brings a preshared key as this file. */
  readonly bring: (file: string, presharedKey: string) => Promise<void>;
  /** Another agent takes over; wireguard-go, where it runs, ends with the last one or outlives it. */
  readonly restart: (wireguardGo: 'end' | 'orphan') => Promise<void>;
  readonly dispose: () => Promise<void>;
}

/** What a host's kernel can do. */
export interface HostAbilities {
  /** What an interface is of that `Auto` makes. */
  readonly auto: ObservedDevice['dataplane'];
  /** What may be asked for. */
  readonly dataplanes: readonly DataplaneChoice[];
  /** How many random walks are made; a real host takes seconds for each. */
  readonly walks: number;
}

export async function observed({ host }: HostUnderTest): Promise<NodeState> {
  return (await host.observe(PLAN_NAMES)).state;
}

/** Applies the steps in their order, and gives them. */
export async function performed({ host }: HostUnderTest, steps: readonly Operation[]): Promise<readonly Operation[]> {
  for (const step of steps) await host.apply(step);
  return steps;
}

/** Does what an agent does: observes, and applies what differs from the plan. Gives the steps. */
export async function synced(under: HostUnderTest, plan: NodePlan): Promise<readonly Operation[]> {
  return performed(under, diff(plan, await observed(under)));
}

/** What the fake's model makes of a state by the steps, on a host with these abilities. */
export function predicted({ auto }: HostAbilities, state: NodeState, steps: readonly Operation[]): NodeState {
  return steps.reduce((before, step) => {
    const chosen = step.kind === 'create-link' && step.dataplane === 'Auto' ? { ...step, dataplane: auto } : step;
    return afterOperation(before, chosen);
  }, state);
}

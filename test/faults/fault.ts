import type { Laptop } from '../lab/laptop.ts';
import type { Device, Mesh } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';
import type { Promised } from './promise.ts';

/** The gateway nodes: the first has in-kernel WireGuard, the second wireguard-go. */
export const NODES = { kernel: 'node-1', userspace: 'node-2' } as const;
export type Through = keyof typeof NODES;

/** Where faults happen. */
export interface Scene {
  readonly mesh: Mesh;
  /** The gateway node that the load passes. */
  readonly node: LabNode;
  /** The laptop that the load comes from, and its device. */
  readonly laptop: Laptop;
  readonly device: Device;
  /** Another laptop whose tunnel is down, and its device, which is let in. */
  readonly spare: { readonly laptop: Laptop; readonly device: Device };
}

/** Ends a fault that does not end by itself. */
export type Heal = () => Promise<unknown>;

/** Something that goes wrong, and what is promised then: a row of docs/reliability.md. */
export interface Fault {
  /** A noun phrase, unique in its column. */
  readonly what: string;
  /** The WireGuard that the load passes, on the node where it happens. */
  readonly through: Through;
  readonly promise: Promised;
  /** Why it is tried at night only. */
  readonly nightly?: string;
  /**
   * Makes it happen. Resolves once it has, with what ends it; without that it ends by itself. Whatever is to be seen while it lasts is
   * looked at here, or before it is ended.
   */
  inject(scene: Scene): Promise<Heal | undefined>;
  /** Resolves when that works again which the fault hindered, beyond what a comparison of states shows. */
  recovered?(scene: Scene): Promise<unknown>;
}

/** Lets a fault last while something is looked at or waited for; resolves with what ends it, and ends it where the look fails. */
export async function meanwhile(heal: Heal, look: () => Promise<unknown>): Promise<Heal> {
  try {
    await look();
    return heal;
  } catch (error) {
    await heal();
    throw error;
  }
}

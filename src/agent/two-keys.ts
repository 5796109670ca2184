import type { LocalFacts } from '../dataplane/local-facts.ts';
import type { NodeState } from '../dataplane/node-plan.ts';
import type { Host } from '../host/host.ts';
import { ages } from '../mesh/node.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import type { RouteInput } from '../mesh/routes.ts';
import type { Topology } from '../mesh/topology.ts';
import { type Cidr, cidrBase, cidrFamily } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { SeenInterface } from './seen-interfaces.ts';

/** What the routes of a node with two interfaces follow from. */
export interface Twofold extends RouteInput {
  readonly moved: Set<Cidr>;
}

/** What is seen of the node, and who is let in. */
interface Sight {
  readonly facts: LocalFacts;
  readonly state: NodeState;
  readonly table: Pick<PeerTable, 'memberAt'>;
  readonly host: Pick<Host, 'hasPrivateKey'>;
}

/** Undefined unless the gateway has two keys, both of which are here. Who has moved is in the routes, which outlive an agent. */
export async function servesTwo(current: Topology, { facts, state, table, host }: Sight): Promise<Twofold | undefined> {
  const { other } = current;
  if (other === undefined) return undefined;
  const isHere = state.other?.device.publicKey === other.publicKey;
  if (!isHere && !(await host.hasPrivateKey(other.publicKey))) return undefined;
  const { older, newer } = ages(current, other);
  const hosts = state.routes.filter(({ device }) => device === newer).map(({ destination }) => destination);
  const moved = hosts.filter((cidr) => table.memberAt(cidrBase(cidr))?.addresses.includes(cidr) === true);
  const pool = current.pool.filter((cidr) => facts.ipv6 || cidrFamily(cidr) === 4);
  return { pool, older, newer, probe: current.device, moved: new Set(moved) };
}

/** Says of each peer by which interface it has shaken hands since the last look; nothing of one that it sees for the first time. */
export class NewHandshakes {
  #known = new Map<string, number>();

  /** Those since the last look, the latest last. */
  take(interfaces: readonly SeenInterface[]): readonly { readonly key: PublicKey; readonly name: string }[] {
    const known = new Map<string, number>();
    const found: { readonly key: PublicKey; readonly name: string; readonly at: number }[] = [];
    for (const { name, peers } of interfaces) {
      for (const [key, { latestHandshake }] of peers) {
        const before = this.#known.get(`${name} ${key}`);
        known.set(`${name} ${key}`, latestHandshake);
        if (before !== undefined && latestHandshake > before) found.push({ key, name, at: latestHandshake });
      }
    }
    this.#known = known;
    return found.sort((one, other) => one.at - other.at);
  }
}

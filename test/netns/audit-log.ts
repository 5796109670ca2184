import { AuditTrail } from '../../src/agent/audit-trail.ts';
import { serviceType } from '../../src/api/core.ts';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import { type PeerTable, peerTable } from '../../src/mesh/peer-table.ts';
import { topology } from '../../src/mesh/topology.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { createLog } from '../../src/runtime/log.ts';
import { aMember, aServedGateway, NOW } from '../support/builders.ts';
import { type NodePlanWishes, PLAN_NAMES } from '../support/node-plans.ts';
import type { TestCluster } from './cluster.ts';

export const ALICE = '10.213.0.16';
export const BOB = '10.213.0.17';

const SERVICES = [
  { metadata: { name: 'web', namespace: 'team-a' }, spec: { clusterIPs: ['10.96.0.20', 'fd5a:96::20'] } },
  { metadata: { name: 'kubernetes', namespace: 'default' }, spec: { clusterIPs: ['10.96.0.1'] } },
].map((service) => serviceType.parse(service));
/** More than the time between two looks. */
const LOOK_MS = 60_000;

/** A line about connections. */
export type ToldLine = Readonly<Record<string, unknown>> & { readonly count: number; readonly bytes: number };

/** The audit log that an agent writes of a test cluster's gateway node, a look at a time. */
export class AuditLog {
  readonly #cluster: TestCluster;
  readonly #table: PeerTable;
  #trail: AuditTrail | undefined;
  #observedPeers: ReadonlyMap<PublicKey, ObservedPeer> = new Map();
  #time = 0;
  #written: ToldLine[] = [];

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    const members = [
      { name: 'ada', laptop: cluster.alice, addresses: [ALICE, 'fd5a:213::16'] },
      { name: 'bob', laptop: cluster.bob, addresses: [BOB] },
    ].map(({ name, laptop, addresses }) => {
      const spec = { publicKey: laptop.keys.publicKey, owner: `${name}@example.com` };
      return aMember({ namespace: 'team-a', name, spec, status: { addresses } });
    });
    this.#table = peerTable('default', members, NOW);
  }

  /** Brings the node where it should be, and has an agent tell what was there before. */
  async begin(wishes: NodePlanWishes): Promise<void> {
    const { gateway } = this.#cluster;
    await gateway.sync(this.#cluster.plan(wishes));
    await this.restart(wishes.audited);
  }

  /** Another agent goes on, and tells what the one before has left. */
  async restart(audited: NodePlanWishes['audited']): Promise<readonly ToldLine[]> {
    const spec = { access: { default: 'Deny' as const }, audit: { connections: audited ?? 'Denied' } };
    const current = topology(aServedGateway({ spec }));
    const observedPeers = () => this.#observedPeers;
    this.#trail = new AuditTrail({
      gateway: 'default',
      peers: { get: () => undefined },
      sync: {
        names: PLAN_NAMES,
        table: this.#table,
        topology: () => current,
        get observedPeers() {
          return observedPeers();
        },
      },
      access: { services: () => SERVICES },
      host: this.#cluster.gateway.host,
      clock: { now: () => NOW, monotonic: () => this.#time, timer: () => () => undefined },
      audit: createLog({ level: 'info', destination: { write: (line) => this.#written.push(JSON.parse(line)) } }),
    });
    return this.told();
  }

  /** What the log says of connections after what was done. */
  async told(): Promise<readonly ToldLine[]> {
    this.#written = [];
    this.#time += LOOK_MS;
    this.#observedPeers = await this.#cluster.gateway.host.observePeers(PLAN_NAMES.device);
    await this.#trail?.follow(true);
    return this.#written.filter(({ event }) => event === 'connection' || event === 'left-out');
  }
}

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AuditTrail } from '../../../src/agent/audit-trail.ts';
import { serviceType } from '../../../src/api/core.ts';
import type { ObservedPeer } from '../../../src/dataplane/wireguard/device.ts';
import { AUDIT_CHAINS } from '../../../src/mesh/audit/sets.ts';
import { peerTable } from '../../../src/mesh/peer-table.ts';
import { topology } from '../../../src/mesh/topology.ts';
import type { PublicKey } from '../../../src/net/key.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createLog, type Log } from '../../../src/runtime/log.ts';
import { TestCluster } from '../../netns/cluster.ts';
import { aMember, aServedGateway, NOW } from '../../support/builders.ts';
import { PLAN_NAMES } from '../../support/node-plans.ts';

/** As often as the agent looks at its interface's peers. */
const EVERY_MS = 3_000;
/** Addresses of no Service. */
const PREFIX = '10.100';
/** Less than what a device may open by default. */
const PER_SECOND = 450;
const OWNER = 'ada@example.com';
/** Looks after the scan until nothing is left to tell. */
const MOST_LOOKS = 10;
const DIAL = join(import.meta.dirname, 'dial-source.ts');

/** What a log said of a scan. */
export interface Told {
  readonly seconds: number;
  /** Lines that name a destination. */
  readonly lines: number;
  /** Packets that these stand for, and those of which lines say that they were left out. */
  readonly inLines: number;
  readonly leftOut: number;
  /** Packets that the rules refused. */
  readonly refused: number;
  /** How long each look took, in milliseconds. */
  readonly looks: readonly number[];
}

/** A gateway node with two laptops, and the agent's audit trail on its rules, at the agent's own pace, writing to a file. */
export class AuditedNode {
  readonly #cluster: TestCluster;
  readonly #file: string;
  readonly #descriptor: number;
  readonly #audit: Log;
  readonly #trail: AuditTrail;
  #observedPeers: ReadonlyMap<PublicKey, ObservedPeer> = new Map();

  private constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.#file = join(cluster.gateway.folder, 'audit.log');
    this.#descriptor = openSync(this.#file, 'a');
    this.#audit = createLog({
      level: 'info',
      bindings: { log: 'audit', program: 'agent', node: 'node-a', gateway: 'default' },
      destination: { write: (line) => writeSync(this.#descriptor, line) },
    });
    const members = [cluster.alice, cluster.bob].map(({ keys: { publicKey } }, index) =>
      aMember({ name: `laptop-${index}`, address: `10.213.0.${16 + index}`, spec: { publicKey, owner: OWNER } }),
    );
    const current = topology(aServedGateway());
    const observed = () => this.#observedPeers;
    const web = serviceType.parse({
      metadata: { name: 'web', namespace: 'team-a' },
      spec: { clusterIPs: ['10.96.0.20'] },
    });
    this.#trail = new AuditTrail({
      gateway: 'default',
      peers: { get: () => undefined },
      sync: {
        names: PLAN_NAMES,
        table: peerTable('default', members, NOW),
        topology: () => current,
        get observedPeers() {
          return observed();
        },
      },
      access: { services: () => [web] },
      host: cluster.gateway.host,
      clock: systemClock,
      audit: this.#audit,
    });
  }

  static async start(): Promise<AuditedNode> {
    const cluster = await TestCluster.create('nftables');
    await cluster.gateway.sync(cluster.plan({ accessDefault: 'Deny' }));
    const node = new AuditedNode(cluster);
    await node.#look();
    return node;
  }

  /** Has both laptops dial one destination after the other for so long, and follows the rules meanwhile. */
  async scanned(seconds: number): Promise<Told> {
    const before = { text: readFileSync(this.#file, 'utf8').length, refused: await this.#refused() };
    const began = performance.now();
    const { alice, bob } = this.#cluster;
    const dialling = [alice, bob].map(({ namespace }) =>
      namespace.commands.start([process.execPath, DIAL, PREFIX, `${PER_SECOND}`]),
    );
    const looks: number[] = [];
    try {
      while (performance.now() - began < seconds * 1000) {
        await delay(EVERY_MS);
        looks.push(await this.#look());
      }
    } finally {
      for (const one of dialling) await one.stop();
    }
    const took = (performance.now() - began) / 1000;
    const { lines } = this.#told(before.text);
    const refused = (await this.#refused()) - before.refused;
    // What came during the last look, and what nobody was to look at yet, is told later.
    let told = this.#told(before.text);
    for (let look = 0; look < MOST_LOOKS && told.inLines + told.leftOut < refused; look += 1) {
      await delay(EVERY_MS);
      await this.#look();
      told = this.#told(before.text);
    }
    return { seconds: took, looks, ...told, lines, refused: (await this.#refused()) - before.refused };
  }

  /** How many such lines a second the log writes where nobody looks at rules. */
  aloneIn(count: number): number {
    const line = {
      event: 'connection',
      verdict: 'denied',
      peer: { namespace: 'team-a', name: 'ada', owner: OWNER },
      from: '10.213.0.16',
      to: { address: '10.100.0.1', port: 9 },
      protocol: 'udp',
      count: 1,
      bytes: 29,
    };
    const began = performance.now();
    const descriptor = openSync('/dev/null', 'a');
    const log = createLog({ level: 'info', destination: { write: (text) => writeSync(descriptor, text) } });
    for (let index = 0; index < count; index += 1) log.info(line, 'refused to a device what it dialled');
    closeSync(descriptor);
    return count / ((performance.now() - began) / 1000);
  }

  async stop(): Promise<void> {
    closeSync(this.#descriptor);
    await this.#cluster.dispose();
  }

  /** What the file says from there on. */
  #told(from: number): Pick<Told, 'lines' | 'inLines' | 'leftOut'> {
    return counted(readFileSync(this.#file, 'utf8').slice(from));
  }

  async #look(): Promise<number> {
    this.#observedPeers = await this.#cluster.gateway.host.observePeers(PLAN_NAMES.device);
    const began = performance.now();
    await this.#trail.follow(true);
    return performance.now() - began;
  }

  async #refused(): Promise<number> {
    return (await this.#cluster.gateway.host.countedBy(PLAN_NAMES.table, AUDIT_CHAINS.denied))?.packets ?? 0;
  }
}

function counted(text: string): Pick<Told, 'lines' | 'inLines' | 'leftOut'> {
  const all = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { readonly event: string; readonly count?: number });
  const sum = (event: string) => all.reduce((total, line) => total + (line.event === event ? (line.count ?? 0) : 0), 0);
  const lines = all.filter(({ event }) => event === 'connection').length;
  return { lines, inLines: sum('connection'), leftOut: sum('left-out') };
}

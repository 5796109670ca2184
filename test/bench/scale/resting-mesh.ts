import { setTimeout as delay } from 'node:timers/promises';
import { type MeshGateway, meshGatewayType } from '../../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../../src/api/meshgatewaynode.ts';
import type { ObjectKey } from '../../../src/api/resource.ts';
import { campaign } from '../../../src/k8s/election.ts';
import { createTransport } from '../../../src/k8s/transport.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { PublicKey } from '../../../src/net/key.ts';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import { step } from '../../lab/progress.ts';
import { aKey } from '../../support/builders.ts';
import { NAMESPACE, SmallMesh } from '../../support/small-mesh.ts';
import { AuditedServer, type Write } from './audited-server.ts';
import { CrowdedHost } from './crowded-host.ts';

/** What a device with traffic or keepalives does (WireGuard's REKEY_AFTER_TIME). */
const HANDSHAKE_EVERY_S = 120;
/** How long nothing about devices must be written before all is said of what was done last. */
const QUIET_MS = 8_000;
const CREATORS = 32;
const NOBODY: Promise<void> = Promise.resolve();

/** A clock that can be set. */
class SetClock implements Clock {
  aheadMs = 0;
  readonly monotonic = systemClock.monotonic;
  readonly timer = systemClock.timer;

  now(): number {
    return systemClock.now() + this.aheadMs;
  }
}

/** Many devices that stay connected to a few nodes: real operator, agents and API server, nodes in memory. */
export class RestingMesh {
  readonly #server: AuditedServer;
  readonly #mesh: SmallMesh<AuditedServer>;
  readonly #clock: SetClock;
  readonly #hosts: readonly CrowdedHost[];
  readonly #devices: readonly { readonly name: string; readonly publicKey: PublicKey; readonly endpoint: Endpoint }[];
  readonly #ending = new AbortController();
  #ticking = NOBODY;
  #electing = NOBODY;

  private constructor(server: AuditedServer, nodes: number, devices: number) {
    this.#server = server;
    this.#clock = new SetClock();
    this.#mesh = new SmallMesh(server, this.#clock);
    this.#hosts = Array.from({ length: nodes }, () => new CrowdedHost());
    this.#devices = Array.from({ length: devices }, (_, index) => {
      const name = `laptop-${index}`;
      const endpoint = `198.51.${index >> 8}.${index & 255}:51820` as Endpoint;
      return { name, publicKey: aKey(name), endpoint };
    });
  }

  static async start(nodes: number, devices: number): Promise<RestingMesh> {
    const resting = new RestingMesh(await AuditedServer.start('team-a'), nodes, devices);
    try {
      await resting.#begin();
      return resting;
    } catch (error) {
      await resting.stop();
      throw error;
    }
  }

  /** All devices connect some hours ago; then it is now. */
  async connectHoursAgo(hours: number): Promise<void> {
    this.#clock.aheadMs = -hours * 3_600_000;
    this.#shakeHands(() => true);
    this.#ticking = this.#tick();
    await step(`${this.#devices.length} devices connect`, this.#untilCounted('connected'));
    await step('waiting until all is said of that', this.#untilQuiet());
    this.#clock.aheadMs = 0;
    this.#shakeHands(() => true);
    await step('waiting until all is said of their handshakes', this.#untilQuiet());
  }

  /** All that is written in this time by operator and agents. */
  async writesIn(ms: number): Promise<readonly Write[]> {
    const since = Date.now();
    await step(`nothing happens for ${ms / 1000} s`, delay(ms));
    return this.#server.writesSince(since);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all([this.#ticking, this.#electing]);
    await this.#mesh.stop();
  }

  async #begin(): Promise<void> {
    await this.#mesh.addGateway();
    const waiting = this.#devices.map(({ name }) => name);
    const creator = async () => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) await this.#mesh.addPeer(name);
    };
    await step(`creating ${this.#devices.length} peers`, Promise.all(Array.from({ length: CREATORS }, creator)));
    this.#electing = this.#elect();
    const endOperator = this.#mesh.startOperator();
    await step('the operator accepts them', this.#untilCounted('accepted'));
    await step('waiting until all is said of that', this.#untilQuiet());
    // Otherwise each node that joins would have all statuses written anew.
    await endOperator();
    for (const [index, host] of this.#hosts.entries()) await this.#mesh.startNode(nodeName(index), host);
    // With each node that reports later, all statuses would be written anew.
    const reported = this.#hosts.map((_, index) => this.#untilReported(nodeName(index)));
    await step(`${reported.length} nodes take them`, Promise.all(reported));
    this.#mesh.startOperator();
    await step('waiting until all statuses name the nodes', this.#untilQuiet());
  }

  /** The operator of SmallMesh leads without an election; its Lease is renewed all the same. */
  async #elect(): Promise<void> {
    const { signal } = this.#ending;
    const transport = createTransport(this.#server.connection(), { userAgent: 'election' });
    const candidacy = { name: 'sallyport-operator', namespace: NAMESPACE, identity: 'operator', clock: systemClock };
    await campaign(
      transport,
      { ...candidacy, signal },
      (leading) =>
        new Promise((resolve) => {
          leading.addEventListener('abort', () => resolve(), { once: true });
        }),
    );
    transport.close();
  }

  /** Each device shakes hands when its time has come. */
  async #tick(): Promise<void> {
    const { signal } = this.#ending;
    let last = this.#second();
    while (!signal.aborted) {
      await delay(1_000, undefined, { signal }).catch(() => undefined);
      const second = this.#second();
      const passed = Math.min(second - last, HANDSHAKE_EVERY_S);
      last = second;
      this.#shakeHands((ago) => ago < passed);
    }
  }

  #second(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  /** Devices have their handshakes spread over the whole time between two; those are taken that had theirs some seconds ago. */
  #shakeHands(isTaken: (ago: number) => boolean): void {
    const second = this.#second();
    for (const [place, host] of this.#hosts.entries()) {
      const seen = new Map<PublicKey, { readonly endpoint: Endpoint; readonly latestHandshake: number }>();
      for (let index = place; index < this.#devices.length; index += this.#hosts.length) {
        const device = this.#devices[index];
        const ago = (second + index) % HANDSHAKE_EVERY_S;
        if (device === undefined || !isTaken(ago)) continue;
        seen.set(device.publicKey, { endpoint: device.endpoint, latestHandshake: second - ago });
      }
      host.handshakes(seen);
    }
  }

  /** Until a node reports that it holds all devices. */
  async #untilReported(node: string): Promise<void> {
    await this.#mesh.until(
      meshGatewayNodeType,
      `${NAMESPACE}/default.${node}` as ObjectKey,
      ({ status }) => (status?.peers ?? 0) >= this.#devices.length && status?.appliedResourceVersion !== undefined,
    );
  }

  /** Until the gateway counts all devices among its peers of this kind. */
  async #untilCounted(what: 'accepted' | 'connected'): Promise<void> {
    const isAll = ({ status }: MeshGateway) => status?.peers?.[what] === this.#devices.length;
    await this.#mesh.until(meshGatewayType, 'default' as ObjectKey, isAll);
  }

  async #untilQuiet(): Promise<void> {
    do await delay(QUIET_MS);
    while (
      this.#server.writesSince(Date.now() - QUIET_MS).filter(({ what }) => what === 'meshpeers/status').length > 40
    );
  }
}

/** `node-a`, `node-b` …: SmallMesh makes a node's address of its last letter. */
function nodeName(index: number): string {
  return `node-${String.fromCharCode(97 + index)}`;
}

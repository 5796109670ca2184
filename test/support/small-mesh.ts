import { createHash } from 'node:crypto';
import { Agent } from '../../src/agent/agent.ts';
import type { Ask } from '../../src/agent/asking.ts';
import { followObjects } from '../../src/agent/followed.ts';
import { AgentRecorder } from '../../src/agent/recorder.ts';
import { clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import { nodeType, serviceCidrType, serviceType } from '../../src/api/core.ts';
import { type MeshAccess, meshAccessType } from '../../src/api/meshaccess.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import type { KubernetesObject, ObjectKey, ResourceType } from '../../src/api/resource.ts';
import type { Host } from '../../src/host/host.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import { delay } from '../../src/k8s/clock.ts';
import type { Connection } from '../../src/k8s/connection.ts';
import { createEventRecorder, type Happening } from '../../src/k8s/events.ts';
import { startReflector } from '../../src/k8s/reflector.ts';
import type { Store } from '../../src/k8s/store.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import type { ProbeVerdict } from '../../src/mesh/node-status.ts';
import { addressesIn } from '../../src/net/address.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { parseOperatorConfig } from '../../src/operator/config.ts';
import { lead } from '../../src/operator/lead.ts';
import { OperatorRecorder } from '../../src/operator/recorder.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { createLog, type LogLevel } from '../../src/runtime/log.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import { aKey } from './builders.ts';
import { FakeApiServer } from './fake-api-server/server.ts';
import { FakeHost } from './fake-host.ts';
import { FakeListeners } from './fake-listeners.ts';

export const NAMESPACE = 'sallyport-system';

const KINDS = [meshAccessType, clusterMeshAccessType, meshGatewayType, meshPeerType, meshGatewayNodeType].map(
  ({ parse: _, ...resource }) => ({
    ...resource,
    status: true,
  }),
);
const CRDS = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

/** An agent of a small mesh. */
export interface SmallAgent {
  readonly name: string;
  /** What the agent answers devices, without sockets. */
  readonly listeners: FakeListeners;
  /** The lines of its audit log. */
  readonly audited: readonly Readonly<Record<string, unknown>>[];
  readonly metrics: Metrics;
  /** What the agent does before it ends; whether the node is to be cleaned then. */
  letGo(isLeaving: boolean): Promise<void>;
  /** Settles when the agent has ended; rejects where it could not go on. */
  readonly ended: Promise<void>;
  /** Ends the agent as SIGTERM does; the kernel stays. */
  stop(): Promise<void>;
}

/** One node of a small mesh, whose kernel is a FakeHost. */
export interface SmallNode extends SmallAgent {
  readonly host: FakeHost;
}

/** An API server that serves Sallyport's kinds, or will once the operator has told it of them. */
export interface ServedMesh {
  connection(): Connection;
  stop(): Promise<void>;
}

/**
 * Operator and agents as they are, on an API server and kernels in this process: for what is decided and written, not for packets. The API server
 * may be another one.
 */
export class SmallMesh<Server extends ServedMesh = FakeApiServer> {
  /** Addresses of nodes that reach no other node, and that no other node reaches. */
  readonly #unplugged = new Set<string>();
  readonly server: Server;
  readonly client: Client;
  readonly happened: Happening[] = [];
  /** Nodes whose probes reach no Services from now on. */
  readonly withoutServices = new Set<string>();
  /** What its operators count; one page for all of them. */
  readonly metrics = new Metrics();
  readonly #recorder = new OperatorRecorder(this.metrics);
  readonly #audited: Readonly<Record<string, unknown>>[] = [];
  readonly #transport: Transport;
  /** Each draw gives other bytes, so that no two gateways get one key. */
  #draws = 0;
  readonly #ending: (() => Promise<void>)[] = [];
  readonly #stores = new Map<string, Store<KubernetesObject>>();

  readonly #clock: Clock;

  /** On a server that knows cluster DNS and the kinds already. */
  constructor(server: Server, clock: Clock = systemClock) {
    this.server = server;
    this.#clock = clock;
    this.#transport = createTransport(server.connection(), { userAgent: 'test' });
    this.client = createClient(this.#transport);
  }

  /** A cluster with a service CIDR and cluster DNS, and nothing of ours running. */
  static async start(): Promise<SmallMesh> {
    const mesh = new SmallMesh(
      await FakeApiServer.start({ plain: true, resources: [...KINDS, { ...CRDS, status: true }] }),
    );
    await mesh.client.create(serviceCidrType, { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12'] } });
    const labels = { 'k8s-app': 'kube-dns' };
    await mesh.client.create(serviceType, {
      metadata: { name: 'kube-dns', namespace: 'kube-system', labels },
      spec: { clusterIPs: ['10.96.0.10'] },
    });
    return mesh;
  }

  /** Starts an operator that leads at once; the answer ends it. `further` is a part of its configuration, as YAML. */
  startOperator(further = ''): () => Promise<void> {
    const ending = new AbortController();
    const config = parseOperatorConfig(`agent: {image: sallyport}\n${further}`);
    if (!config.ok) throw new Error(config.problem);
    const context = {
      recorder: this.#recorder,
      transport: this.#transport,
      client: this.client,
      events: this.#events(),
      clock: this.#clock,
      log: QUIET,
      audit: createLog({
        level: 'info',
        destination: { write: (line) => this.#audited.push(JSON.parse(line)) },
      }),
    };
    const random = {
      randomBytes: (length: number) => {
        this.#draws += 1;
        return Uint8Array.from({ length }, (_, index) => index + this.#draws);
      },
    };
    const leading = lead({ ...context, ...random, config: config.value, namespace: NAMESPACE }, ending.signal);
    return this.#ends(async () => {
      ending.abort();
      await leading.catch((error: unknown) => {
        if (!ending.signal.aborted) throw error;
      });
    });
  }

  /** A Node with an agent of gateway `default` on it. */
  async startNode(name: string, host = new FakeHost(), clock: Clock = this.#clock): Promise<SmallNode> {
    host.facts = { ...host.facts, node: name };
    return { ...(await this.startAgent(name, host, clock)), host };
  }

  /** The same with another kernel than a FakeHost's. */
  async startAgent(name: string, host: Host, clock: Clock = this.#clock): Promise<SmallAgent> {
    const labels = { 'kubernetes.io/os': 'linux' };
    if ((await this.client.get(nodeType, name)) === undefined) {
      await this.client.create(nodeType, { metadata: { name, labels } });
      const addresses = [{ type: 'InternalIP', address: addressOf(name) }];
      await this.client.applyStatus(nodeType, { name }, { addresses }, { fieldManager: 'test' });
    }
    const ending = new AbortController();
    const listeners = new FakeListeners();
    const audited: Readonly<Record<string, unknown>>[] = [];
    const metrics = new Metrics();
    const recorder = new AgentRecorder({ metrics, clock: systemClock, log: QUIET, devices: 1 });
    const agent = new Agent({
      recorder,
      gateway: 'default',
      node: name,
      namespace: NAMESPACE,
      identity: `agent-${name}`,
      ...followObjects(this.#transport, {
        namespace: NAMESPACE,
        gateway: 'default',
        signal: ending.signal,
        clock: systemClock,
      }),
      ask: this.#asker(name),
      addresses: addressesIn([addressOf(name)]),
      client: this.client,
      host,
      probe: { run: async () => (this.withoutServices.has(name) ? UNREACHED : REACHED), close: async () => undefined },
      probeKey: keyPairFrom(createHash('sha256').update(name).digest()).publicKey,
      events: this.#events(),
      listen: (options) => listeners.take(options),
      clock,
      log: QUIET,
      audit: createLog({
        level: 'info',
        destination: { write: (line) => audited.push(JSON.parse(line)) },
      }),
    });
    recorder.follow(agent, host);
    const running = agent.run(ending.signal);
    const stop = this.#ends(async () => {
      ending.abort();
      // Why it ended before is told by `ended`, and by the test's end where nobody asks.
      await Promise.allSettled([running]);
    });
    const letGo = (isLeaving: boolean) => agent.letGo(isLeaving);
    return { name, listeners, audited, metrics, ended: running, letGo, stop };
  }

  /** From now on the node reaches no other node, and none reaches it; the API server hears it. */
  unplug(node: string): void {
    this.#unplugged.add(addressOf(node));
  }

  plug(node: string): void {
    this.#unplugged.delete(addressOf(node));
  }

  /** The lines of the operators' audit log. */
  get audited(): readonly Readonly<Record<string, unknown>>[] {
    return this.#audited;
  }

  async addGateway(spec: object = {}): Promise<void> {
    await this.client.create(meshGatewayType, { metadata: { name: 'default' }, spec });
  }

  async addPeer(name: string, spec: object = {}): Promise<MeshPeer> {
    return this.client.create(meshPeerType, {
      metadata: { name, namespace: 'team-a' },
      spec: { publicKey: aKey(name), ...spec },
    });
  }

  /** A grant in the namespace of the peers that this mesh makes, for its Services. */
  async addAccess(name: string, spec: object): Promise<MeshAccess> {
    return this.client.create(meshAccessType, { metadata: { name, namespace: 'team-a' }, spec });
  }

  /** Resolves with the peer once this holds for it. */
  untilPeer(name: string, holds: (peer: MeshPeer) => boolean): Promise<MeshPeer> {
    return this.until(meshPeerType, `team-a/${name}` as ObjectKey, holds);
  }

  /** Resolves with the object once this holds for it. */
  until<T extends KubernetesObject>(type: ResourceType<T>, key: ObjectKey, holds: (object: T) => boolean): Promise<T> {
    const store = this.#follow(type);
    return new Promise((resolve) => {
      const look = (object: T | undefined) => {
        if (object === undefined || !holds(object)) return;
        unsubscribe();
        resolve(object);
      };
      const unsubscribe = store.subscribe((change) => change.key === key && look(change.after));
      look(store.get(key));
    });
  }

  async stop(): Promise<void> {
    for (const end of this.#ending.splice(0).reverse()) await end();
    this.#transport.close();
    await this.server.stop();
  }

  #follow<T extends KubernetesObject>(type: ResourceType<T>): Store<T> {
    const known = this.#stores.get(type.kind);
    if (known !== undefined) return known as Store<T>;
    const ending = new AbortController();
    const { store, stopped } = startReflector(this.#transport, type, { signal: ending.signal, clock: systemClock });
    this.#stores.set(type.kind, store as Store<KubernetesObject>);
    this.#ends(async () => {
      ending.abort();
      await stopped;
    });
    return store;
  }

  /** A node that asks others whether they live as often as an agent does, without sockets. */
  #asker(name: string): Ask {
    return async (node, heard, signal) => {
      while (!signal.aborted) {
        const [address] = node()?.addresses ?? [];
        if (address !== undefined) heard(!this.#unplugged.has(address) && !this.#unplugged.has(addressOf(name)));
        await delay(systemClock, 20, signal);
      }
    };
  }

  #events() {
    const recorder = createEventRecorder(this.client, { controller: 'test', instance: 'test', clock: systemClock });
    return {
      ...recorder,
      record: (happening: Happening) => {
        this.happened.push(happening);
        recorder.record(happening);
      },
    };
  }

  #ends(end: () => Promise<void>): () => Promise<void> {
    this.#ending.push(end);
    return async () => {
      this.#ending.splice(this.#ending.indexOf(end), 1);
      await end();
    };
  }
}

function addressOf(node: string): string {
  return `192.0.2.${node.charCodeAt(node.length - 1)}`;
}

const REACHED: ProbeVerdict = { reason: 'ProbeSucceeded', message: 'It works.' };
const UNREACHED: ProbeVerdict = { reason: 'DNSFailed', message: 'Nobody answers.' };
const QUIET = createLog({ level: (process.env.SALLYPORT_TEST_LOG ?? 'silent') as LogLevel });

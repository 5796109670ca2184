import { randomBytes } from 'node:crypto';
import { inProject } from '../../scripts/support/paths.ts';
import type { Condition } from '../../src/api/conditions.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import type { KubernetesObject, ResourceType } from '../../src/api/resource.ts';
import { type KeyPair, keyPairFrom } from '../../src/net/key-pair.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { evidenceOfStart } from './evidence-of-start.ts';
import { type ExecResult, run, TIED } from './exec.ts';
import type { Laptop } from './laptop.ts';
import type { LabNode, NodeKernel } from './node.ts';
import { nodeKernels, type Shape } from './node-kernels.ts';
import { SALLYPORT_IMAGE, sallyportImage } from './sallyport-image.ts';
import { workload, workloadImage } from './workload.ts';

/** Where the release and everything it makes stands in the lab. */
export const RELEASE = { name: 'sallyport', namespace: 'sallyport-system' } as const;

const PEERS = `${meshPeerType.plural}.${meshPeerType.group}`;
const GATEWAYS = `${meshGatewayType.plural}.${meshGatewayType.group}`;

/** A MeshPeer of the lab with the private key of its device. */
export interface Device {
  readonly namespace: string;
  readonly name: string;
  readonly keys: KeyPair;
}

/** Sallyport on a lab cluster: installed by Helm, used by kubectl and by laptops with nothing but stock tools. */
export class Mesh {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** `helm install` of the chart as it is, with the image of the sources as they are; resolves when all of its nodes serve. */
  async install(values: readonly string[] = []): Promise<void> {
    await this.cluster.loadImage(await sallyportImage(this.cluster.tools));
    const image = [`image.repository=${SALLYPORT_IMAGE.repository}`, `image.tag=${SALLYPORT_IMAGE.tag}`];
    const set = [...image, ...values].flatMap((value) => ['--set', value]);
    const place = ['-n', RELEASE.namespace, '--create-namespace'];
    await this.cluster.helm(['install', RELEASE.name, inProject('charts/sallyport'), ...place, ...set]);
    await this.untilGateway('default', 'Ready');
    await until(
      'all nodes of the gateway to serve',
      () => this.gateway(),
      ({ status }) => status?.nodes?.ready === status?.nodes?.selected,
      // A guest's only processor starts everything at once.
      120,
    );
  }

  /** `helm uninstall`; resolves with what Helm said, the clean-up's own words included, and how long it took. @throws when Helm fails */
  async uninstall(): Promise<{ readonly said: string; readonly seconds: number }> {
    const began = performance.now();
    const argv = [this.cluster.tools.path('helm'), 'uninstall', RELEASE.name, '-n', RELEASE.namespace];
    // Of its own, so that Helm does not remember a kind whose definition is gone.
    const KUBECACHEDIR = `${this.cluster.environment.KUBECACHEDIR}-${randomBytes(4).toString('hex')}`;
    const result = await run([...TIED, ...argv], { env: { ...this.cluster.environment, KUBECACHEDIR } });
    must(result);
    return { said: `${result.stdout}${result.stderr}`, seconds: (performance.now() - began) / 1000 };
  }

  /** Deployments `hello-<node>` in namespace demo, one pod on each named node, behind Services of the same name. */
  async addWorkloads(nodes: readonly string[]): Promise<void> {
    await this.cluster.loadImage(await workloadImage());
    await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } });
    const names = nodes.map((node) => `hello-${node}`);
    const items = nodes.flatMap((node) => workload({ name: `hello-${node}`, namespace: 'demo', node }));
    await this.apply({ apiVersion: 'v1', kind: 'List', items });
    for (const name of names)
      await this.cluster.kubectl(['-n', 'demo', 'rollout', 'status', `deployment/${name}`, '--timeout=90s']);
  }

  /** Creates a MeshPeer with a new key; `spec` may add to it or override it. */
  async addDevice(name: string, spec: object = {}, namespace = 'demo'): Promise<Device> {
    const device = { namespace, name, keys: keyPairFrom(randomBytes(32)) };
    await this.applyDevice(device, spec);
    return device;
  }

  /** Applies the MeshPeer of a device. */
  async applyDevice({ namespace, name, keys }: Device, spec: object = {}): Promise<void> {
    const { group, version, kind } = meshPeerType;
    await this.apply({
      apiVersion: `${group}/${version}`,
      kind,
      metadata: { namespace, name },
      spec: { publicKey: keys.publicKey, ...spec },
    });
  }

  /** Changes fields of a device's spec, as `kubectl patch` does; resolves with the time of kubectl's answer. */
  async patchDevice({ namespace, name }: Pick<Device, 'namespace' | 'name'>, spec: object): Promise<number> {
    const patch = JSON.stringify({ spec });
    await this.cluster.kubectl(['-n', namespace, 'patch', PEERS, name, '--type=merge', '-p', patch]);
    return Date.now();
  }

  /** Deletes the MeshPeer of a device; resolves with the time of kubectl's answer. */
  async deleteDevice({ namespace, name }: Pick<Device, 'namespace' | 'name'>): Promise<number> {
    await this.cluster.kubectl(['-n', namespace, 'delete', PEERS, name, '--wait=false']);
    return Date.now();
  }

  /** Until a node's kube-proxy leads to a Service that speaks HTTP. */
  async untilProxied(name: string, node: LabNode): Promise<void> {
    const url = `http://${await this.serviceAddress(name)}`;
    await until(
      `${url} answers on ${node.name}`,
      () => node.exec(['curl', '-sf', url]),
      ({ code }) => code === 0,
    );
  }

  /** The ClusterIP of a Service. */
  serviceAddress(name: string, namespace = 'demo'): Promise<string> {
    return this.cluster.kubectl(['-n', namespace, 'get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}']);
  }

  /** Brings a Deployment to this many replicas and waits until that is so. */
  async scale(deployment: string, replicas: number, namespace: string = RELEASE.namespace): Promise<void> {
    const place = ['-n', namespace];
    await this.cluster.kubectl([...place, 'scale', `deployment/${deployment}`, `--replicas=${replicas}`]);
    const rows = async () => {
      const pods = await this.podNames(namespace);
      return pods.filter((pod) => pod.startsWith(`${deployment}-`)).length;
    };
    await until(`${replicas} pods of ${deployment}`, rows, (count) => count === replicas);
    await this.cluster.kubectl([...place, 'rollout', 'status', `deployment/${deployment}`, '--timeout=90s']);
  }

  /** The names of all pods in a namespace, those that are ending included. */
  async podNames(namespace: string = RELEASE.namespace): Promise<readonly string[]> {
    const { items } = (await this.cluster.get(`/api/v1/namespaces/${namespace}/pods`)) as {
      readonly items: readonly { readonly metadata: { readonly name: string } }[];
    };
    return items.map(({ metadata }) => metadata.name);
  }

  /** `kubectl apply` of one object. @throws with what kubectl said. */
  apply(object: object): Promise<string> {
    return this.cluster.kubectl(['apply', '-f', '-'], JSON.stringify(object));
  }

  peer({ namespace, name }: Pick<Device, 'namespace' | 'name'>): Promise<MeshPeer> {
    return this.#get(meshPeerType, name, namespace);
  }

  gateway(name = 'default'): Promise<MeshGateway> {
    return this.#get(meshGatewayType, name);
  }

  /** What a node's agent reports of a gateway. */
  gatewayNode(gateway: string, node: string): Promise<MeshGatewayNode> {
    return this.#get(meshGatewayNodeType, `${gateway}.${node}`, RELEASE.namespace);
  }

  /** Waits until the MeshPeer has this condition with this status; `reason` too when given. */
  untilPeer(
    device: Pick<Device, 'namespace' | 'name'>,
    type: string,
    status = 'True',
    reason?: string,
  ): Promise<MeshPeer> {
    return until(
      `${type}=${status} of MeshPeer ${device.name}`,
      () => this.peer(device),
      (peer) => holds(peer.status?.conditions, type, status, reason),
    );
  }

  /** Waits until the MeshGateway, as it is now, has this condition with this status; `reason` too when given. */
  untilGateway(name: string, type: string, status = 'True', reason?: string): Promise<MeshGateway> {
    return until(
      `${type}=${status} of MeshGateway ${name}`,
      () => this.gateway(name),
      ({ metadata, status: seen }) =>
        seen?.observedGeneration === metadata.generation && holds(seen?.conditions, type, status, reason),
    );
  }

  /** Waits until every agent of the gateway `default` is a pod of its present spec. */
  async untilRolled(): Promise<void> {
    const { namespace } = RELEASE;
    await this.cluster.kubectl(['-n', namespace, 'rollout', 'status', 'daemonset/sallyport-default', '--timeout=90s']);
  }

  /** Makes a MeshGateway with this spec. */
  async addGateway(name: string, spec: object): Promise<void> {
    const { group, version, kind } = meshGatewayType;
    await this.apply({ apiVersion: `${group}/${version}`, kind, metadata: { name }, spec });
  }

  /** Changes fields of a MeshGateway's spec, as `kubectl patch` does; null takes one away. */
  async patchGateway(name: string, spec: object): Promise<void> {
    const patch = JSON.stringify({ spec });
    await this.cluster.kubectl(['patch', GATEWAYS, name, '--type=merge', '-p', patch]);
  }

  /** The Events with this reason about an object, a message each. */
  async events(name: string, reason: string): Promise<readonly string[]> {
    const selector = `involvedObject.name=${name},reason=${reason}`;
    const list = await this.cluster.get(`/api/v1/events?fieldSelector=${encodeURIComponent(selector)}`);
    return (list as { readonly items: readonly { readonly message: string }[] }).items.map(({ message }) => message);
  }

  /** Brings the tunnel up on a laptop with the stock wg-quick and the configuration of the MeshPeer's status. */
  async join(laptop: Laptop, device: Device, endpoint?: string): Promise<void> {
    const { status } = await this.untilPeer(device, 'Programmed');
    const config = status?.config ?? '';
    await laptop.writeFile(
      '/etc/wireguard/mesh.conf',
      endpoint === undefined ? config : config.replace(/^Endpoint = .*$/m, `Endpoint = ${endpoint}:51840`),
    );
    await laptop.writeFile('/etc/wireguard/mesh.key', device.keys.privateKey);
    must(await laptop.exec(['wg-quick', 'up', 'mesh']));
  }

  async leave(laptop: Laptop): Promise<void> {
    must(await laptop.exec(['wg-quick', 'down', 'mesh']));
  }

  async #get<T extends KubernetesObject>(type: ResourceType<T>, name: string, namespace?: string): Promise<T> {
    const place = namespace === undefined ? '' : `/namespaces/${namespace}`;
    return type.parse(await this.cluster.get(`/apis/${type.group}/${type.version}${place}/${type.plural}/${name}`));
  }
}

/** What distinguishes one mesh from another that a laptop reaches at the same time. */
export interface Where {
  /** Of the lab (addresses.ts). Default: 1. */
  readonly site?: number;
  /** For the chart. */
  readonly values?: readonly string[];
}

/** A cluster with nodes of these kernels, Sallyport installed, and a workload on each node. */
export async function startMesh(
  name: string,
  kernels: Shape | readonly NodeKernel[] = 'userspace',
  where: Where = {},
): Promise<Mesh> {
  const { site = 1, values = [] } = where;
  const nodes = typeof kernels === 'string' ? nodeKernels(kernels) : kernels;
  const cluster = await startCluster({ name, site, nodes });
  const mesh = new Mesh(cluster);
  try {
    await Promise.all([mesh.install(values), mesh.addWorkloads(cluster.nodes.map((node) => node.name))]);
    return mesh;
  } catch (error) {
    await evidenceOfStart(name);
    await cluster.stop();
    throw error;
  }
}

/** What curl on a laptop got; `status` is 0 when there was no answer. */
export interface Answer {
  readonly status: number;
  readonly seconds: number;
  readonly body: string;
  readonly error: string;
}

/** One request by curl, by name or address; waits at most `seconds` for all of it. */
export async function curl(laptop: Laptop, url: string, seconds = 5): Promise<Answer> {
  const result = await laptop.exec([
    'curl',
    '-sSk',
    '--max-time',
    String(seconds),
    '-w',
    '\n%{http_code} %{time_total}',
    url,
  ]);
  const lines = result.stdout.split('\n');
  const [status = '0', time = '0'] = (lines.pop() ?? '').split(' ');
  return { status: Number(status), seconds: Number(time), body: lines.join('\n'), error: result.stderr.trim() };
}

/** Sends a UDP datagram to a name from a laptop and gives the first four bytes that come back. @throws when none do in five seconds */
export async function udpEcho(laptop: Laptop, name: string, port = 80): Promise<string> {
  const script = 'exec 3<>/dev/udp/$1/$2; printf ping >&3; head -c 4 <&3';
  const [address = ''] = must(await laptop.exec(['getent', 'ahostsv4', name])).split(/\s/);
  return must(await laptop.exec(['timeout', '5', 'bash', '-c', script, 'echo', address, String(port)]));
}

/** Looks again and again until what was looked at is right. @throws with what was seen last. */
export async function until<T>(
  what: string,
  look: () => Promise<T>,
  right: (seen: T) => boolean,
  seconds = 60,
): Promise<T> {
  const end = performance.now() + seconds * 1000;
  let seen: unknown;
  while (performance.now() < end) {
    const began = performance.now();
    try {
      const current = await look();
      seen = current;
      if (right(current)) return current;
    } catch (error) {
      seen = error;
    }
    // A look that costs much, as kubectl's do, leaves three quarters of the time to what it looks at.
    const pause = Math.min(1_000, Math.max(100, 3 * (performance.now() - began)));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  const last = seen instanceof Error ? seen.message : JSON.stringify(seen, null, 1);
  throw new Error(`waited ${seconds} s in vain for ${what}; last seen: ${last.slice(0, 4000)}`);
}

/** The standard output of a command that must have succeeded. */
export function must(result: ExecResult): string {
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stderr || result.stdout}`);
  return result.stdout;
}

function holds(conditions: readonly Condition[] | undefined, type: string, status: string, reason?: string): boolean {
  const found = conditions?.find((condition) => condition.type === type);
  return found?.status === status && (reason === undefined || found.reason === reason);
}

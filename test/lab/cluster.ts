import { siteOf, UNDERLAY_PREFIX } from './addresses.ts';
import { labTools, type Tools } from './binaries.ts';
import { createGroup, labGroup } from './cgroups.ts';
import { clustersHere } from './clusters-here.ts';
import { issueNodeCredentials, startControlPlane } from './control-plane.ts';
import { coreDnsImage, coreDnsManifests } from './coredns.ts';
import { diagnosis } from './diagnosis.ts';
import { evidenceOfStart } from './evidence-of-start.ts';
import { ipBatch } from './network.ts';
import type { KubeProxyMode, NodeKernel } from './node.ts';
import { type Ownership, removeKept, takeOwnership } from './ownership.ts';
import { pauseImage } from './pause-image.ts';
import { step } from './progress.ts';
import { isAlive, type LabRecord, type ProcessId, readRecord, writeRecord } from './record.ts';
import { Cluster } from './running-cluster.ts';
import { type OwnedSandbox, openLab } from './sandbox.ts';

export type { Cluster } from './running-cluster.ts';

/** What a cluster shall be like. */
export interface ClusterOptions {
  /** Labs with different names may run at the same time. Default: lab. */
  readonly name?: string;
  /** Where its addresses are (addresses.ts); labs that meet need different ones. Default: 1. */
  readonly site?: number;
  /** How many, or the kernel of each, in the order of their names. Default: 2 that share this machine's. */
  readonly nodes?: number | readonly NodeKernel[];
  /** Default: nftables. */
  readonly kubeProxyMode?: KubeProxyMode;
  /** Image archives that all nodes have from the beginning. */
  readonly images?: readonly string[];
  /** Default: 2. */
  readonly dnsReplicas?: number;
  /** True: the lab outlives this process, until somebody removes it. */
  readonly keep?: boolean;
}

/**
 * Starts a cluster and waits until its nodes are Ready and its DNS answers. Unless it is kept, it is removed by `stop`
 * or, at the latest, when this process ends in whatever way. @throws Error that names the part that failed.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const name = options.name ?? 'lab';
  const tools = await labTools();
  const ownership = await takeOwnership(name);
  try {
    const members = kernels(options.nodes ?? 2).map((kernel, at) => ({
      name: `node-${at + 1}`,
      index: at + 1,
      kernel,
    }));
    const kubeProxyMode = options.kubeProxyMode ?? 'nftables';
    const { site = 1 } = options;
    const plan: LabRecord = { name, site, kept: false, kubeProxyMode, nodes: members, laptops: [] };
    writeRecord(plan);
    await createGroup(`${labGroup(name)}/system`);
    const sandbox = await openLab(name, `${siteOf(site).controlPlane}/${UNDERLAY_PREFIX}`);
    const record = { ...plan, init: sandbox.init };
    writeRecord(record);
    return await bringUp({ record, sandbox, tools, ownership, options });
  } catch (error) {
    await evidenceOfStart(name);
    await ownership.remove();
    throw error;
  }
}

/** A handle on a kept cluster; undefined if there is none with this name. */
export async function attachCluster(name = 'lab'): Promise<Cluster | undefined> {
  const record = readRecord(name);
  if (!record?.init || !record.kept || !isAlive(record.init)) return undefined;
  const tools = await labTools();
  return new Cluster({
    record: { ...record, init: record.init },
    tools,
    images: () => baseImages(tools),
    credentials: (node) => issueNodeCredentials(name, siteOf(record.site).apiUrl, node),
    remove: () => removeKept(name),
    onEnded: () => undefined,
  });
}

interface Beginning {
  readonly record: LabRecord & { readonly init: ProcessId };
  readonly sandbox: OwnedSandbox;
  readonly tools: Tools;
  readonly ownership: Ownership;
  readonly options: ClusterOptions;
}

async function bringUp({ record, sandbox, tools, ownership, options }: Beginning): Promise<Cluster> {
  const { name, nodes } = record;
  const site = siteOf(record.site);
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<never>();
  // Nodes wait for the one, nobody for the other once the cluster is up: the error to tell is told elsewhere.
  for (const { promise } of [ready, ended]) promise.catch(() => undefined);
  const images = (async () => [...(await baseImages(tools)), ...(options.images ?? [])])();
  const cluster = new Cluster({
    record,
    tools,
    images: () => images,
    credentials: (node) => ready.promise.then(() => issueNodeCredentials(name, site.apiUrl, node)),
    remove: options.keep ? () => removeKept(name) : ownership.remove,
    onEnded: ended.reject,
  });
  clustersHere.add(cluster);
  await ipBatch(
    sandbox,
    nodes.map(({ index }) => `route add ${site.nodePodCidr(index)} via ${site.nodeAddress(index)}`),
  );
  const controlPlane = async () => {
    const started = await startControlPlane(sandbox, tools, site, ended.reject);
    await started.ready();
    await cluster.kubectl(
      ['create', '--validate=false', '-f', '-'],
      asList(nodes.map((node) => nodeObject(node.name, site.nodePodCidr(node.index)))),
    );
    ready.resolve();
    await cluster.kubectl(
      ['create', '--validate=false', '-f', '-'],
      asList(coreDnsManifests(options.dnsReplicas ?? 2, site)),
    );
  };
  const work = async () => {
    const controlPlaneStarted = controlPlane();
    controlPlaneStarted.catch(ready.reject);
    await Promise.all([
      controlPlaneStarted,
      ...cluster.nodes.map((node) => step(`starting ${node.name}`, node.start())),
    ]);
    await waitUntilUsable(cluster);
  };
  await Promise.race([work(), ended.promise]);
  if (options.keep) {
    cluster.keep();
    sandbox.keep();
    await ownership.keep();
  }
  return cluster;
}

function kernels(nodes: number | readonly NodeKernel[]): readonly NodeKernel[] {
  return typeof nodes === 'number' ? Array.from({ length: nodes }, () => 'shared') : nodes;
}

async function waitUntilUsable(cluster: Cluster): Promise<void> {
  const nodes = cluster.kubectl(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s']);
  const dns = cluster.kubectl(['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=120s']);
  try {
    await Promise.all([step('waiting for the nodes to be Ready', nodes), step('waiting for cluster DNS', dns)]);
  } catch (cause) {
    throw new Error(`the cluster does not become usable:\n${await diagnosis(cluster)}`, { cause });
  }
}

async function baseImages(tools: Tools): Promise<readonly string[]> {
  return Promise.all([pauseImage(), coreDnsImage(tools)]);
}

/** Made before the kubelet registers itself, so that the pod range is the one the underlay routes. */
function nodeObject(name: string, podCIDR: string): object {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDR, podCIDRs: [podCIDR] } };
}

function asList(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

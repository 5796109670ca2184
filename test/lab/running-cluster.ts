import { type Site, siteOf } from './addresses.ts';
import { ApiReader } from './api-reader.ts';
import type { Tools } from './binaries.ts';
import { clustersHere } from './clusters-here.ts';
import { ExecError, type ExecOptions, type ExecResult, run, TIED } from './exec.ts';
import { GO_ENVIRONMENT } from './go-environment.ts';
import { KernelNode } from './kernel-node.ts';
import { Laptop, startLaptop } from './laptop.ts';
import { NamespacedNode } from './namespaced-node.ts';
import { plugIn } from './network.ts';
import type { KubeProxyMode, LabNode } from './node.ts';
import type { NodeCredentials } from './node-programs.ts';
import type { NodeSurroundings } from './node-surroundings.ts';
import { type LabRecord, labDirectory, type MemberRecord, type ProcessId, writeRecord } from './record.ts';
import { labSandbox, memberSandbox, type Sandbox } from './sandbox.ts';

/** What a cluster's handle is made of. */
export interface ClusterParts {
  readonly record: LabRecord & { readonly init: ProcessId };
  readonly tools: Tools;
  /** Image archives every node has from the beginning. */
  readonly images: () => Promise<readonly string[]>;
  /** Resolves once nodes may join. */
  readonly credentials: (node: string) => Promise<NodeCredentials>;
  readonly remove: () => Promise<void>;
  /** Is told when a program of a node ends by itself. */
  readonly onEnded: (error: Error) => void;
}

/** A handle on a running cluster. */
export class Cluster {
  readonly name: string;
  readonly site: Site;
  readonly nodes: readonly LabNode[];
  readonly sandbox: Sandbox;
  readonly tools: Tools;
  /** The administrator's kubeconfig, for programs of the machine. */
  readonly kubeconfig: string;
  readonly #parts: ClusterParts;
  readonly #laptops: Laptop[];
  #record: ClusterParts['record'];
  #reader: ApiReader | undefined;
  #guests = 0;

  constructor(parts: ClusterParts) {
    const { record, tools } = parts;
    this.name = record.name;
    this.site = siteOf(record.site);
    this.sandbox = labSandbox(record.name, record.init);
    this.tools = tools;
    this.kubeconfig = `${labDirectory(record.name)}/admin.kubeconfig`;
    this.#parts = parts;
    this.#record = record;
    this.nodes = record.nodes.map((node) => this.#node(node));
    this.#laptops = record.laptops.flatMap(({ name, index, init }) =>
      init ? [new Laptop(name, this.site.laptopAddress(index), memberSandbox(record.name, init), tools)] : [],
    );
  }

  /** Runs kubectl as administrator and returns what it prints. @throws ExecError */
  kubectl(argv: readonly string[], input?: string): Promise<string> {
    return this.#must([this.tools.path('kubectl'), ...argv], input);
  }

  /** What the API server has at a path, read as administrator: for what is looked at again and again. @throws Error unless it is there */
  get(path: string): Promise<unknown> {
    this.#reader ??= new ApiReader(this.kubeconfig);
    return this.#reader.get(path);
  }

  /** Runs kubectl as administrator, for calls that may be refused. */
  tryKubectl(argv: readonly string[], input?: string): Promise<ExecResult> {
    return this.#run([this.tools.path('kubectl'), ...argv], input);
  }

  /** Runs helm as administrator and returns what it prints. @throws ExecError */
  helm(argv: readonly string[], input?: string): Promise<string> {
    return this.#must([this.tools.path('helm'), ...argv], input);
  }

  /** The node with this name. @throws Error if there is none. */
  node(name: string): LabNode {
    return found(this.nodes, name);
  }

  /** The laptops so far. */
  get laptops(): readonly Laptop[] {
    return this.#laptops;
  }

  /** The laptop with this name. @throws Error if there is none. */
  laptop(name: string): Laptop {
    return found(this.#laptops, name);
  }

  /** Puts a computer on the underlay that is no part of the cluster. */
  async addLaptop(name: string): Promise<Laptop> {
    const index = Math.max(0, ...this.#record.laptops.map((laptop) => laptop.index)) + 1;
    this.#save({ laptops: [...this.#record.laptops, { name, index }] });
    const laptop = await startLaptop(this.sandbox, this.tools, { name, index, site: this.site });
    this.#save({ laptops: withInit(this.#record.laptops, name, laptop.sandbox.init) });
    this.#laptops.push(laptop);
    return laptop;
  }

  /** Lays a second cable to a laptop of another lab, which is of another site. */
  async plugInGuest(guest: Laptop): Promise<void> {
    const index = ++this.#guests;
    await plugIn({
      ...{ lab: this.sandbox, member: guest.sandbox, port: `guest${index}`, device: 'eth1' },
      ...{ address: this.site.guestAddress(index), gateway: undefined },
    });
  }

  /** Makes the images of an archive available on every node that is switched on. */
  async loadImage(tar: string): Promise<void> {
    const running = this.#record.nodes.filter(({ init }) => init).map(({ name }) => this.node(name));
    await Promise.all(running.map((node) => node.loadImage(tar)));
  }

  /** The mode kube-proxy runs in, on nodes that start from now on too. */
  get kubeProxyMode(): KubeProxyMode {
    return this.#record.kubeProxyMode;
  }

  /** Restarts kube-proxy in another mode on all nodes that are switched on. */
  async setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    this.#save({ kubeProxyMode: mode });
    const running = this.#record.nodes.filter(({ init }) => init).map(({ name }) => this.node(name));
    await Promise.all(running.map((node) => node.setKubeProxyMode(mode)));
  }

  /** What programs of the machine need in their environment to use this cluster, and to leave no file elsewhere. */
  get environment(): Readonly<Record<string, string>> {
    const folder = labDirectory(this.name);
    return {
      ...GO_ENVIRONMENT,
      PATH: this.tools.searchPath,
      KUBECONFIG: this.kubeconfig,
      KUBECACHEDIR: `${folder}/kubectl`,
      HELM_CACHE_HOME: `${folder}/helm/cache`,
      HELM_CONFIG_HOME: `${folder}/helm/config`,
      HELM_DATA_HOME: `${folder}/helm/data`,
    };
  }

  /** Removes the cluster and everything that came with it. */
  stop(): Promise<void> {
    clustersHere.delete(this);
    return this.#parts.remove();
  }

  /** Notes that the cluster shall outlive its owner. */
  keep(): void {
    this.#save({ kept: true });
  }

  #node({ name, index, kernel, init }: MemberRecord): LabNode {
    const { images, credentials, tools, onEnded } = this.#parts;
    const others = this.#record.nodes.filter((node) => node.index !== index);
    const surroundings: NodeSurroundings = {
      lab: this.sandbox,
      tools,
      name,
      index,
      site: this.site,
      address: this.site.nodeAddress(index),
      podCidr: this.site.nodePodCidr(index),
      images,
      routes: others.map(
        (other) => `route add ${this.site.nodePodCidr(other.index)} via ${this.site.nodeAddress(other.index)}`,
      ),
      kubeProxyMode: () => this.#record.kubeProxyMode,
      credentials: () => credentials(name),
      onEnded,
      onInit: (process) => this.#save({ nodes: withInit(this.#record.nodes, name, process) }),
    };
    return kernel === 'own' ? new KernelNode(surroundings, init) : new NamespacedNode(surroundings, init);
  }

  #save(change: Partial<LabRecord>): void {
    this.#record = { ...this.#record, ...change, init: this.#record.init };
    writeRecord(this.#record);
  }

  #run(argv: readonly string[], input?: string): Promise<ExecResult> {
    const options: ExecOptions = { env: this.environment, ...(input === undefined ? {} : { input }) };
    return run([...TIED, ...argv], options);
  }

  async #must(argv: readonly string[], input?: string): Promise<string> {
    const result = await this.#run(argv, input);
    if (result.code !== 0) throw new ExecError(argv, result);
    return result.stdout;
  }
}

function found<T extends { readonly name: string }>(list: readonly T[], name: string): T {
  const one = list.find((each) => each.name === name);
  if (!one) throw new Error(`no ${name} here, only ${list.map((each) => each.name).join(', ')}`);
  return one;
}

function withInit(
  members: readonly MemberRecord[],
  name: string,
  init: ProcessId | undefined,
): readonly MemberRecord[] {
  return members.map((each) => {
    if (each.name !== name) return each;
    const { init: _, ...lasting } = each;
    return { ...lasting, ...(init ? { init } : {}) };
  });
}

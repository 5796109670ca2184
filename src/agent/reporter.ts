import { isDeepStrictEqual } from 'node:util';
import type { MeshGateway } from '../api/meshgateway.ts';
import { type MeshGatewayNodeStatus, meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import { AGENT_MANAGER, GATEWAY_LABEL, gatewayNodeName } from '../api/names.ts';
import { ownerReferenceOf } from '../api/owner.ts';
import { type ObjectMeta, versionNumber } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { WorkQueue } from '../k8s/queue.ts';
import type { Clock } from '../runtime/clock.ts';

export interface ReporterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly gateway: string;
  readonly node: string;
  readonly namespace: string;
  /** The node's report as of now; undefined while there is nothing to report on. */
  readonly status: (before: MeshGatewayNodeStatus | undefined) => MeshGatewayNodeStatus | undefined;
  readonly owner: () => MeshGateway | undefined;
  readonly onFailure: (error: unknown) => void;
}

/** Changes within this time become one write. */
const GATHER_MS = 100;
/** That the node has followed MeshPeers further, and nothing else, is written this often at most, unless somebody waits to hear it. */
const VERSION_MS = 5 * 60_000;

/** Writes the agent's MeshGatewayNode when what it says has changed, and never otherwise. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #queue: WorkQueue<'report'>;
  #written: MeshGatewayNodeStatus | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #exists = false;
  /** The latest version of the MeshPeers of which somebody waits to hear that the node has it. */
  #awaited = -1n;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({ work: () => this.#write(), clock: options.clock });
  }

  /** What was written last, by this agent or by the one before it. */
  get written(): MeshGatewayNodeStatus | undefined {
    return this.#written;
  }

  /** Takes up the report of an earlier agent on this node, so that sessions keep their beginning. */
  async start(): Promise<void> {
    const { client, namespace } = this.#options;
    const report = await client.get(meshGatewayNodeType, this.#name, namespace);
    this.#written = report?.status;
    this.#queue.start();
  }

  /** Something may have changed. */
  changed(): void {
    this.#queue.addAfter('report', GATHER_MS);
  }

  /** Something has changed that others wait for. */
  changedNow(): void {
    this.#queue.add('report');
  }

  /** Somebody waits to hear that the node has the MeshPeers of this resourceVersion. */
  await(resourceVersion: string): void {
    const version = versionNumber(resourceVersion);
    if (version > this.#awaited) this.#awaited = version;
  }

  /** The API server's history went back: whoever waited waits for a version that may never come. */
  wentBack(): void {
    this.#awaited = -1n;
  }

  /** Writes nothing any more; resolves when the last write has ended. */
  async stop(): Promise<void> {
    await this.#queue.stop();
  }

  get #name(): string {
    return gatewayNodeName(this.#options.gateway, this.#options.node);
  }

  async #write(): Promise<void> {
    const { client, clock, status, onFailure } = this.#options;
    const next = status(this.#written);
    if (next === undefined || !this.#isNews(next)) return;
    try {
      const metadata = this.#metadata();
      if (metadata === undefined) return;
      const spec = { gateway: this.#options.gateway, node: this.#options.node };
      if (!this.#exists) await client.apply(meshGatewayNodeType, { metadata, spec }, { fieldManager: AGENT_MANAGER });
      this.#exists = true;
      await client.applyStatus(meshGatewayNodeType, metadata, next, { fieldManager: AGENT_MANAGER });
      this.#written = next;
      this.#writtenAt = clock.monotonic();
    } catch (error) {
      // Somebody may have deleted it; the retry makes it anew.
      this.#exists = false;
      onFailure(error);
      throw error;
    }
  }

  #isNews(next: MeshGatewayNodeStatus): boolean {
    const { appliedResourceVersion: version, ...rest } = next;
    const { appliedResourceVersion: told, ...before } = this.#written ?? {};
    if (!this.#exists || !isDeepStrictEqual(rest, before)) return true;
    if (version === told) return false;
    if (versionNumber(version) < versionNumber(told)) return true;
    return versionNumber(told) < this.#awaited || this.#options.clock.monotonic() >= this.#writtenAt + VERSION_MS;
  }

  #metadata():
    | (Pick<ObjectMeta, 'name' | 'namespace' | 'labels' | 'ownerReferences'> & { readonly name: string })
    | undefined {
    const gateway = this.#options.owner();
    if (gateway === undefined) return undefined;
    return {
      name: this.#name,
      namespace: this.#options.namespace,
      labels: { [GATEWAY_LABEL]: this.#options.gateway },
      ownerReferences: [ownerReferenceOf(gateway)],
    };
  }
}

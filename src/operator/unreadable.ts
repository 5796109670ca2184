import * as z from 'zod';
import { clusterMeshAccessType } from '../api/clustermeshaccess.ts';
import { meshAccessType } from '../api/meshaccess.ts';
import { meshGatewayType } from '../api/meshgateway.ts';
import { meshPeerType } from '../api/meshpeer.ts';
import {
  type KubernetesObject,
  type ObjectKey,
  objectMetaSchema,
  type ResourceType,
  splitKey,
} from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import type { EventRecorder } from '../k8s/events.ts';
import type { Store } from '../k8s/store.ts';
import { judgeUnreadable, type WrittenKind } from '../mesh/unreadable.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

export interface TellerOptions {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** Problems told of one object; more would hide the first. */
const MOST_PROBLEMS = 3;

/**
 * Tells of objects that are stored and cannot be read as their kind: older rules let them in, or somebody wrote past them. They
 * are in no store, so they disturb nobody; but whoever wrote one finds on it what is wrong.
 */
export class UnreadableTeller {
  readonly #options: TellerOptions;
  /** What was told last, so that the telling itself, which changes the object, is not told again. */
  readonly #told = new Map<string, string>();

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** Forgets an object's problem once it can be read again. */
  follow<T extends KubernetesObject>(type: ResourceType<T>, store: Store<T>): void {
    store.subscribe(({ key, after }) => {
      if (after !== undefined) this.#told.delete(`${type.kind} ${key}`);
    });
  }

  /** Writes the conditions and an Event. Kinds that only programs write are left to the log. */
  async tell<T extends KubernetesObject>(type: ResourceType<T>, key: ObjectKey, error: Error): Promise<void> {
    const kind = WRITTEN.find((written) => written === type.kind);
    const problem = problemOf(error);
    const slot = `${type.kind} ${key}`;
    if (kind === undefined || this.#told.get(slot) === problem) return;
    this.#told.set(slot, problem);
    try {
      await this.#write(kind, key, problem);
    } catch (cause) {
      this.#told.delete(slot);
      this.#options.log.warn({ kind, key, error: cause }, 'the problem of an object that cannot be read was not told');
    }
  }

  async #write(kind: WrittenKind, key: ObjectKey, problem: string): Promise<void> {
    const { client, events, clock } = this.#options;
    const type = readableAs[kind];
    const { name, namespace } = splitKey(key);
    const object = await client.get(type, name, namespace);
    if (object === undefined) return;
    const conditions = judgeUnreadable({ kind, generation: object.metadata.generation ?? 0, problem }, clock.now());
    const note = conditions[0]?.message ?? '';
    events.record({ regarding: object, type: 'Warning', reason: 'InvalidSpec', action: 'Read', note });
    // A merge leaves the rest of the status, an address for instance, as it is.
    await client.patch(type, { name, namespace }, { status: { conditions } }, { subresource: 'status' });
  }
}

const WRITTEN: readonly WrittenKind[] = ['MeshPeer', 'MeshGateway', 'MeshAccess', 'ClusterMeshAccess'];

const headSchema = z.object({ apiVersion: z.string(), kind: z.string(), metadata: objectMetaSchema });

const readableAs: Readonly<Record<WrittenKind, ResourceType<KubernetesObject>>> = {
  MeshPeer: { ...meshPeerType, parse: (raw) => headSchema.parse(raw) },
  ClusterMeshAccess: { ...clusterMeshAccessType, parse: (raw) => headSchema.parse(raw) },
  MeshAccess: { ...meshAccessType, parse: (raw) => headSchema.parse(raw) },
  MeshGateway: { ...meshGatewayType, parse: (raw) => headSchema.parse(raw) },
};

function problemOf(error: Error): string {
  if (!(error instanceof z.ZodError)) return error.message;
  const problems = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  const more = problems.length - MOST_PROBLEMS;
  return `${problems.slice(0, MOST_PROBLEMS).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

import * as z from 'zod';
import { meshGatewayType } from '../api/meshgateway.ts';
import { meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import { CLEANUP_FINALIZER } from '../api/names.ts';
import { type KubernetesObject, type ObjectMeta, objectMetaSchema, type ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { type Clock, delay } from '../k8s/clock.ts';
import { isNotFound } from '../k8s/errors.ts';
import { nodesGivenUp, whatIsLeft } from './left-behind.ts';

export interface Removal {
  readonly client: Client;
  /** Takes one sentence for the person who uninstalls. */
  readonly say: (sentence: string) => void;
  readonly clock: Clock;
  /** How long nodes have to clean up before the gateways are removed without them. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 1_000;
/** At the deadline the gateways are let go; an API server that just then refuses is asked for so much longer. */
const LET_GO_MS = 15_000;

/**
 * Deletes every MeshGateway and waits until the nodes have cleaned up; at the deadline it takes the finalizers off itself, so
 * that an uninstallation ends although nodes, the operator or the definitions are gone. It says then what may be left, and where.
 * An API server that refuses is asked again: the right to ask is itself only seconds old. @throws the signal's reason.
 */
export async function removeGateways(removal: Removal): Promise<void> {
  const { clock, say, deadlineMs } = removal;
  const deadline = clock.monotonic() + deadlineMs;
  const asked = new Map<string, ObjectMeta>();
  if (await untilNoneIsLeft(removal, deadline, (gateways) => requestDeletion(removal, asked, gateways))) {
    await sayWhoWasGivenUp(removal, [...asked.values()]);
    say('No MeshGateway is left, whatever Helm says was kept.');
    return;
  }
  await sayWhoIsNotClean(removal);
  if (await untilNoneIsLeft(removal, deadline + LET_GO_MS, (gateways) => letGo(removal, gateways))) return;
  say(
    'MeshGateways may be left, and keep their definition from being deleted. List them with: kubectl get meshgateways. ' +
      'Let each go with: kubectl patch meshgateway NAME --type=merge -p \'{"metadata":{"finalizers":null}}\'',
  );
}

/** Acts on the gateways that are there, again and again; false when there may be some even after the deadline. */
async function untilNoneIsLeft(
  { client, say, clock, signal }: Removal,
  deadline: number,
  act: (gateways: readonly ObjectMeta[]) => Promise<void>,
): Promise<boolean> {
  let told = '';
  do {
    signal.throwIfAborted();
    try {
      const gateways = await present(client, gatewayNameType);
      if (gateways.length === 0) return true;
      await act(gateways);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== told) say(`The API server refuses, so it is asked again: ${message}`);
      told = message;
    }
    await delay(clock, LOOK_EVERY_MS, signal);
  } while (clock.monotonic() < deadline);
  return false;
}

async function requestDeletion(
  { client, say }: Removal,
  asked: Map<string, ObjectMeta>,
  gateways: readonly ObjectMeta[],
): Promise<void> {
  for (const metadata of gateways) {
    const { name, deletionTimestamp } = metadata;
    if (!asked.has(name)) say(`Deleting MeshGateway ${name}; its nodes remove what they made.`);
    asked.set(name, metadata);
    if (deletionTimestamp === undefined) await client.delete(gatewayNameType, { name });
  }
}

async function letGo({ client, say }: Removal, gateways: readonly ObjectMeta[]): Promise<void> {
  for (const { name, finalizers = [], deletionTimestamp } of gateways) {
    const kept = finalizers.filter((entry) => entry !== CLEANUP_FINALIZER);
    if (kept.length < finalizers.length) {
      await client.patch(gatewayNameType, { name }, { metadata: { finalizers: kept } });
      const others = kept.length === 0 ? '' : ` It stays for as long as others hold it: ${kept.join(', ')}.`;
      say(`Nobody has let MeshGateway ${name} go in time, so its finalizer was removed.${others}`);
    }
    if (deletionTimestamp === undefined) await client.delete(gatewayNameType, { name });
  }
}

/** A node takes its report away when it is clean, so whoever still has one is not. */
async function sayWhoIsNotClean({ client, say }: Removal): Promise<void> {
  try {
    for (const { name } of await present(client, reportNameType)) {
      const [gateway = '', ...node] = name.split('.');
      say(whatIsLeft(gateway, [node.join('.')]));
    }
  } catch {
    say('Which nodes are not clean could not be asked; until they are rebooted they may keep what MeshGateways made.');
  }
}

/** Those that the operator did not wait for: their agents have not answered for a while. */
async function sayWhoWasGivenUp({ client, say }: Removal, gateways: readonly ObjectMeta[]): Promise<void> {
  try {
    for (const note of await nodesGivenUp(client, gateways)) say(note);
  } catch {
    // The operator's Event is there for whoever looks.
  }
}

/** None where the kind itself is not defined: somebody has deleted the definition, and with it every object. */
async function present(client: Client, type: ResourceType<KubernetesObject>): Promise<readonly ObjectMeta[]> {
  try {
    return (await client.list(type)).items.map(({ metadata }) => metadata);
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

const nameSchema = z.object({ apiVersion: z.string(), kind: z.string(), metadata: objectMetaSchema });

/** An object whose spec or status nobody can read must go all the same. */
const gatewayNameType = nameOnly(meshGatewayType);
const reportNameType = nameOnly(meshGatewayNodeType);

function nameOnly(type: ResourceType<KubernetesObject>): ResourceType<KubernetesObject> {
  return { ...type, parse: (raw) => nameSchema.parse(raw) };
}

import { createHash } from 'node:crypto';
import type { Condition } from '../../src/api/conditions.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { lasting, madeOn } from '../lab/gateway-node.ts';
import { type Mesh, RELEASE } from '../lab/mesh.ts';

/** Everything that no fault may change, a text for each part of it. */
export type State = Readonly<Record<string, string>>;

interface Listed {
  readonly items: readonly {
    readonly metadata: { readonly namespace?: string; readonly name: string };
    readonly spec?: object;
    readonly status?: { readonly conditions?: readonly Condition[] };
    readonly data?: object;
  }[];
}

/** What moves by itself: who is connected, from where and since when; what the nodes tell each other, with keys as old as their agents; since when an endpoint has its agent. */
const PASSING = new Set([
  ...['connections', 'since', 'connected', 'gatewayKeys'],
  ...['appliedResourceVersion', 'observedGeneration', 'gatewayGeneration', 'liveness'],
]);
/** Whether a device has a session now is a matter of its own traffic. */
const PASSING_CONDITIONS = new Set(['Connected', 'UsesCurrentKey']);

/** What the nodes' kernels hold for the gateway, what resources and statuses say, and digests of its Secrets. */
export async function stateOf({ cluster }: Mesh): Promise<State> {
  const nodes = cluster.nodes.map(async (node) => [node.name, JSON.stringify(lasting(await madeOn(node)))] as const);
  const types = [meshGatewayType, meshGatewayNodeType, meshPeerType].map(async ({ group, version, plural }) => {
    const { items } = (await cluster.get(`/apis/${group}/${version}/${plural}`)) as Listed;
    return items.map((item) => [`${plural} ${keyOf(item)}`, said(item)] as const);
  });
  const stored = cluster.get(`/api/v1/namespaces/${RELEASE.namespace}/secrets`);
  // All at once, since one that fails while another is awaited would be nobody's.
  const [held, told, secrets] = await Promise.all([Promise.all(nodes), Promise.all(types), stored]);
  const digests = (secrets as Listed).items
    .filter(({ metadata }) => metadata.name.startsWith('sallyport-'))
    .map((item) => [`secret ${keyOf(item)}`, digest(JSON.stringify(item.data))] as const);
  return Object.fromEntries([...held, ...told.flat(), ...digests]);
}

/** How a state differs from the one before, a line each; none where it does not. */
export function differences(before: State, after: State): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => {
    const [was, is] = [before[name], after[name]];
    return was === is ? [] : [`${name}: ${difference(was ?? 'not there', is ?? 'not there')}`];
  });
}

/** The part in which two texts differ, with a little of what is around it. */
function difference(was: string, is: string): string {
  const around = 60;
  const most = 400;
  let start = 0;
  while (start < was.length && was[start] === is[start]) start += 1;
  const from = Math.max(0, start - around);
  return `…${was.slice(from, from + most)} → …${is.slice(from, from + most)}`;
}

function keyOf({ metadata: { namespace, name } }: Listed['items'][number]): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function said({ spec, status = {} }: Listed['items'][number]): string {
  const { conditions = [], ...rest } = status;
  const judged = conditions
    .filter(({ type }) => !PASSING_CONDITIONS.has(type))
    .map(({ type, status: isSo, reason }) => `${type} ${isSo} ${reason}`);
  return JSON.stringify({ spec, ...without(rest), conditions: judged.sort() });
}

/** Without what moves by itself, at any depth. */
function without(value: unknown): object {
  return JSON.parse(JSON.stringify(value, (key, inner) => (PASSING.has(key) ? undefined : inner))) as object;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

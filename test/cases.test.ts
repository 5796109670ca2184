import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { clusterMeshAccessSpecSchema } from '../src/api/clustermeshaccess.ts';
import { meshAccessSpecSchema } from '../src/api/meshaccess.ts';
import { meshGatewaySpecSchema } from '../src/api/meshgateway.ts';
import { meshPeerSpecSchema } from '../src/api/meshpeer.ts';
import { keyOf } from '../src/api/resource.ts';
import type { NodePlan, NodeState } from '../src/dataplane/node-plan.ts';
import { cleanup, diff } from '../src/dataplane/operation.ts';
import { nodeNames } from '../src/mesh/node.ts';
import { afterOperation, arranged, BARE_NODE } from './support/fake-host.ts';
import { committedFiles, render, STORIES, type Story, story, storyNames } from './support/story.ts';

const STORY_LIST: readonly Story[] = storyNames().map((name) => story(name));

describe.each(STORY_LIST.map((one) => [one.name, one] as const))('%s', (name, one) => {
  test('ends as it is committed; npm run update writes what is missing', () => {
    expect(render(one)).toEqual(committedFiles(name));
  });

  test('ends alike whoever is decided first', () => {
    expect(outcome(story(name, 'youngest-first'))).toEqual(outcome(one));
  });

  test('lets on the nodes whom the statuses let in, and nobody else', () => {
    for (const { gateway, plan } of one.nodes.values()) {
      const letIn = [...one.cluster.peers.values()].filter(
        ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.gateways?.includes(gateway),
      );
      const keys = letIn.flatMap(({ spec, status }) => [spec.publicKey, status?.nextPublicKey ?? []].flat());
      expect([...plan.device.peers.keys()].sort()).toEqual(keys.sort());
    }
  });

  test('gives nodes of one gateway with equal facts equal plans', () => {
    for (const [node, { gateway, plan }] of one.nodes) {
      for (const [other, entry] of one.nodes) {
        if (gateway !== entry.gateway || !sameFacts(one, node, other)) continue;
        expect(entry.plan).toEqual(plan);
      }
    }
  });
});

/** What must not depend on the order of decisions; only which gateway came first to which address may. */
function outcome({ cluster, nodes }: Story) {
  const answers = [...cluster.gateways.values(), ...cluster.peers.values(), ...cluster.accesses.values()].map(
    ({ kind, metadata, status }) => [
      kind,
      keyOf(metadata),
      kind === 'MeshPeer' && status !== undefined && 'addresses' in status ? status.addresses : undefined,
      status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    ],
  );
  return { answers, peers: [...nodes].map(([node, { gateway, plan }]) => [node, gateway, plan.device.peers]) };
}

function sameFacts({ cluster }: Story, one: string, other: string): boolean {
  const facts = (node: string) => JSON.stringify({ ...cluster.facts.get(node), node: '', bootId: '' });
  return facts(one) === facts(other);
}

interface Place {
  readonly title: string;
  readonly gateway: string;
  readonly plan: NodePlan;
}

const PLACES: readonly Place[] = STORY_LIST.flatMap(({ name, nodes }) =>
  [...nodes].map(([node, { gateway, plan }]) => ({ title: `${name}/${node}`, gateway, plan })),
);

/** The node after the steps to this plan. */
function moved(state: NodeState, plan: NodePlan): NodeState {
  const seen = look(state, plan);
  return look(diff(plan, seen).reduce(afterOperation, seen), plan);
}

/** The interfaces in the roles that they have in a plan. */
function look(state: NodeState, { device }: NodePlan): NodeState {
  const name = device.name.endsWith('_2') ? device.name.slice(0, -2) : device.name;
  return arranged(state, { device: device.name, other: device.name === name ? `${name}_2` : name, table: '' });
}

/** The node after another gateway than this one's has left it. */
function without({ gateway }: Place, state: NodeState, next: Place): NodeState {
  return gateway === next.gateway ? state : cleanup(nodeNames(gateway), state).reduce(afterOperation, state);
}

describe('on a node', () => {
  const states = new Map(PLACES.map((place) => [place, moved(BARE_NODE, place.plan)]));

  test.each(PLACES.map((place) => [place.title, place] as const))('%s: twice does nothing', (_title, place) => {
    expect(diff(place.plan, states.get(place) ?? BARE_NODE)).toEqual([]);
  });

  test.each(PLACES.map((place) => [place.title, place] as const))('%s ends right after any other', (_title, place) => {
    const wanted = comparable(states.get(place) ?? BARE_NODE, place.plan);
    for (const [before, state] of states) {
      const end = moved(without(before, state, place), place.plan);
      expect(diff(place.plan, end), `after ${before.title}`).toEqual([]);
      expect(comparable(end, place.plan), `after ${before.title}`).toEqual(wanted);
    }
  });

  test.each(PLACES.map((place) => [place.title, place] as const))('%s leaves nothing behind', (_title, place) => {
    const end = cleanup(nodeNames(place.gateway), states.get(place) ?? BARE_NODE).reduce(
      afterOperation,
      states.get(place) ?? BARE_NODE,
    );
    expect(end).toEqual({ ...BARE_NODE, device: undefined, ruleset: undefined, sysctls: expect.anything() });
    expect(end.sysctls).toMatchObject(BARE_NODE.sysctls);
  });
});

/** Forwarding that another plan turned on stays on until the gateway leaves the node, `Auto` keeps what serves, sets have no order. */
function comparable({ device, other, ruleset, routes, sysctls }: NodeState, plan: NodePlan) {
  const elements = [...(ruleset?.elements ?? [])].map(([set, all]) => [set, [...all].sort()]);
  return {
    device: {
      ...device,
      dataplane: plan.device.dataplane === 'Auto' ? 'Auto' : device?.dataplane,
      peers: [...(device?.peers ?? [])].sort(([one], [other]) => (one < other ? -1 : 1)),
    },
    other: other && {
      ...other.device,
      dataplane: plan.other?.dataplane === 'Auto' ? 'Auto' : other.device.dataplane,
      peers: [...other.device.peers].sort(([one], [two]) => (one < two ? -1 : 1)),
    },
    ruleset: { ...ruleset, elements, turnedOn: [] },
    routes: [...routes].map(({ destination, device: name }) => `${destination} ${name}`).sort(),
    rpFilter: sysctls.rpFilter,
  };
}

/** The names of a schema's leaves, as `spec.advertise.cidrs`; what a list or a map holds belongs to its name. */
function leavesOf(schema: z.core.JSONSchema.BaseSchema, path: string): readonly string[] {
  const items = schema.items as z.core.JSONSchema.BaseSchema | undefined;
  if (items !== undefined) return leavesOf(items, path);
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return [path];
  return properties.flatMap(([name, property]) =>
    typeof property === 'boolean' ? [] : leavesOf(property, `${path}.${name}`),
  );
}

function namesIn(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) return [path, ...value.flatMap((entry) => namesIn(entry, path))];
  if (value === null || typeof value !== 'object') return [path];
  return [path, ...Object.entries(value).flatMap(([name, entry]) => namesIn(entry, `${path}.${name}`))];
}

describe('every field occurs in some story', () => {
  const told = (kind: string) => {
    const specs = STORY_LIST.flatMap(({ input }) => input.resources.filter((resource) => resource.kind === kind));
    return new Set(specs.flatMap(({ spec }) => namesIn(spec, 'spec')));
  };

  test.each([
    ['MeshPeer', meshPeerSpecSchema],
    ['MeshGateway', meshGatewaySpecSchema],
    ['MeshAccess', meshAccessSpecSchema],
    ['ClusterMeshAccess', clusterMeshAccessSpecSchema],
  ])('of %s', (kind, schema) => {
    const leaves = leavesOf(z.toJSONSchema(schema, { io: 'input' }), 'spec');
    expect(leaves.length).toBeGreaterThan(5);
    expect(leaves.filter((leaf) => !told(kind).has(leaf))).toEqual([]);
  });
});

/** In namespaces of its own, so that nothing reaches the host; undefined where this machine lacks a program or the right. */
function inNamespaces(script: string, ...files: readonly string[]) {
  const probe = spawnSync('unshare', ['-rn', 'sh', '-c', 'command -v nft && command -v wg-quick']);
  return probe.status === 0
    ? spawnSync('unshare', ['-rn', 'sh', '-c', script, 'sh', ...files], { encoding: 'utf8' })
    : undefined;
}

const NEEDS = 'needs unshare, nft and wg-quick, and the right to make namespaces';

describe('the real programs read', () => {
  test('every ruleset', ({ skip }) => {
    const files = PLACES.map(({ title }) => join(import.meta.dirname, '..', STORIES, `${title}.nft`)).filter(
      existsSync,
    );
    const result = inNamespaces('for f in "$@"; do nft -c -f "$f" || exit 1; done', ...files);
    if (result === undefined) return skip(NEEDS);
    expect(result.stderr).toBe('');
    expect(files.length).toBe(PLACES.length);
  });

  test('every configuration of a device', ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-cases-'));
    try {
      const configs = STORY_LIST.flatMap(({ cluster }) =>
        [...cluster.peers.values()].flatMap(({ status }) => status?.config ?? []),
      );
      const files = configs.map((config, index) => {
        const file = join(folder, `wg${index}.conf`);
        writeFileSync(file, config, { mode: 0o600 });
        return file;
      });
      const result = inNamespaces('for f in "$@"; do wg-quick strip "$f" || exit 1; done', ...files);
      if (result === undefined) return skip(NEEDS);
      expect(result.stderr).toBe('');
      const stripped = (word: string) => result.stdout.split('\n').filter((line) => line.startsWith(word)).length;
      expect(stripped('[Interface]')).toBe(configs.length);
      expect(stripped('Endpoint')).toBe(configs.join('').split('\nEndpoint').length - 1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

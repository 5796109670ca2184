import { SITE } from '../addresses.ts';
import type { Laptop } from '../laptop.ts';
import { curl, type Mesh, udpEcho } from '../mesh.ts';
import { workload, workloadImage } from '../workload.ts';
import type { Backend, Traffic } from './axes.ts';
import { type Cell, WORKS } from './table.ts';

/** What a laptop asks: a name, and the port that answers there. */
export interface Target {
  readonly name: string;
  readonly port: number;
}

/** What headless Services need: the gateway takes packets for the pods' range too. */
export const ADVERTISED = SITE.podCidr;

const NAMESPACE = 'demo';
const HOST_PORT = 18_080;
const POD_PORT = 8080;
const MEGABYTES_10 = 10_000_000;

/** Puts a backend of each kind on each node; resolves when all are ready. */
export async function addBackends(mesh: Mesh, nodes: readonly string[]): Promise<void> {
  await mesh.addWorkloads(nodes);
  await mesh.cluster.loadImage(await workloadImage());
  const items = nodes.flatMap((node) => [
    ...workload({ name: `host-${node}`, namespace: NAMESPACE, node, hostPort: HOST_PORT }),
    ...workload({ name: `headless-${node}`, namespace: NAMESPACE, node, headless: true }),
  ]);
  await mesh.apply({ apiVersion: 'v1', kind: 'List', items });
  const deployments = nodes.flatMap((node) => [`deployment/host-${node}`, `deployment/headless-${node}`]);
  for (const deployment of deployments)
    await mesh.cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', deployment, '--timeout=90s']);
}

/** The backends of one kind, for a laptop that dials `entry`. */
export function targets(backend: Backend, entry: string, other: string): readonly Target[] {
  const at = (prefix: string, nodes: readonly string[], port = 80) =>
    nodes.map((node) => ({ name: `${prefix}-${node}.${NAMESPACE}.svc.cluster.local`, port }));
  if (backend === 'same') return at('hello', [entry]);
  if (backend === 'other') return at('hello', [other]);
  if (backend === 'host network') return at('host', [entry, other]);
  return at('headless', [entry, other], POD_PORT);
}

/** What came of each kind of traffic to all of the targets: the first thing that went wrong, else that it works. */
export async function tried(laptop: Laptop, all: readonly Target[]): Promise<Cell> {
  const first = async (attempt: (target: Target) => Promise<string>) => {
    for (const target of all) {
      const seen = await attempt(target);
      if (seen !== WORKS) return seen;
    }
    return WORKS;
  };
  const attempts: Readonly<Record<Traffic, (target: Target) => Promise<string>>> = {
    TCP: ({ name, port }) => gets(laptop, `http://${name}:${port}`, 0),
    UDP: ({ name, port }) =>
      udpEcho(laptop, name, port).then(
        (echo) => (echo === 'ping' ? WORKS : `echoed "${echo}"`),
        () => 'no answer',
      ),
    '10 MB': ({ name, port }) => gets(laptop, `http://${name}:${port}/bytes/${MEGABYTES_10}`, MEGABYTES_10),
  };
  return { TCP: await first(attempts.TCP), UDP: await first(attempts.UDP), '10 MB': await first(attempts['10 MB']) };
}

async function gets(laptop: Laptop, url: string, least: number): Promise<string> {
  const { status, body, error } = await curl(laptop, url, 30);
  if (status !== 200) return error === '' ? `HTTP ${status}` : error;
  return body.length >= least ? WORKS : `only ${body.length} bytes`;
}

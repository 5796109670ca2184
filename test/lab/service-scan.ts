import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import type { Laptop } from './laptop.ts';
import { must } from './mesh.ts';

/** The same program that scans in namespaces. */
const PROGRAM = join(import.meta.dirname, '../netns/programs/reach.ts');
/** Beside the ports of the Services: those of nodes, of pods behind the Services, and of the gateway itself. */
const PORTS = [22, 2379, 6443, 8080, 10249, 10250, 10256, 51840];
const TARGETS = '/var/scanned';
const PATIENCE_MS = 4_000;

/** A port of a Service at its cluster IP. */
export interface ServicePort {
  /** As `demo/web`. */
  readonly service: string;
  readonly address: string;
  /** As `80/tcp`. */
  readonly port: string;
  /** Whether anybody answers behind it. */
  readonly isServed: boolean;
}

/** Every port of every Service with a cluster IP, as the API server has them. */
export async function servicePorts(cluster: Cluster): Promise<readonly ServicePort[]> {
  const listed = async (kind: string) => JSON.parse(await cluster.kubectl(['get', kind, '-A', '-o', 'json'])).items;
  const [services, slices]: [readonly Service[], readonly EndpointSlice[]] = await Promise.all([
    listed('services'),
    listed('endpointslices.discovery.k8s.io'),
  ]);
  return services.flatMap(({ metadata, spec }) =>
    (spec.clusterIPs ?? [])
      .filter((address) => address !== 'None')
      .flatMap((address) =>
        (spec.ports ?? []).map(({ port, protocol }) => ({
          service: `${metadata.namespace}/${metadata.name}`,
          address,
          port: `${port}/${protocol.toLowerCase()}`,
          isServed: slices.some(
            (slice) =>
              slice.metadata.namespace === metadata.namespace &&
              slice.metadata.labels?.['kubernetes.io/service-name'] === metadata.name &&
              slice.endpoints?.some(({ conditions }) => conditions?.ready === true),
          ),
        })),
      ),
  );
}

/**
 * Tries each of the ports, of the other ports that somebody listens at, at each cluster IP and these addresses. Resolves with those that
 * answered, as `80/tcp 10.96.0.20`, sorted, and with how many TCP ports said nothing at all.
 */
export async function scan(laptop: Laptop, ports: readonly ServicePort[], others: readonly string[]) {
  const addresses = [...new Set([...ports.map(({ address }) => address), ...others])];
  const all = [...new Set([...ports.map(({ port }) => port), ...PORTS.map((port) => `${port}/tcp`)])];
  const targets = addresses.flatMap((address) => all.map((port) => ({ address, port })));
  const lines = targets.map(({ address, port }) => `${port.split('/')[1]} ${address} ${port.split('/')[0]}`);
  await laptop.writeFile(TARGETS, JSON.stringify(lines));
  const found: readonly string[] = JSON.parse(
    must(await laptop.exec([process.execPath, PROGRAM, TARGETS, String(PATIENCE_MS)])),
  );
  const those = (outcome: string) => targets.filter((_target, index) => found[index] === outcome);
  return {
    open: those('open')
      .map(({ address, port }) => `${port} ${address}`)
      .sort(),
    silent: those('silent').filter(({ port }) => port.endsWith('/tcp')),
    tried: targets.length,
  };
}

interface Metadata {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Service {
  readonly metadata: Metadata;
  readonly spec: {
    readonly clusterIPs?: readonly string[];
    readonly ports?: readonly { readonly port: number; readonly protocol: string }[];
  };
}

interface EndpointSlice {
  readonly metadata: Metadata;
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[];
}

import { type ImageLayer, imageArchive } from './image.ts';

const IMAGE = 'localhost/lab/workload:1';
const PORT = 8080;
/** Where every image of the lab has its Node.js. */
export const NODE_PATH = '/usr/bin/node';

/** What a workload shall be called and where it runs. */
export interface WorkloadOptions {
  readonly name: string;
  readonly namespace?: string;
  /** Default: 1. Pods spread over the nodes. */
  readonly replicas?: number;
  /** The only node its pods may run on. */
  readonly node?: string;
  /** In the network of their node, on this port of it. */
  readonly hostPort?: number;
  /** The Service has no address of its own: its name leads to the pods. */
  readonly headless?: boolean;
}

/** The layer with Node.js, the same for every image that needs it. */
export function nodeLayer(): ImageLayer {
  return { executables: [[process.execPath, NODE_PATH]] };
}

/** The image of `workload`: workload/server.ts, with curl and a shell for the curious. */
export function workloadImage(): Promise<string> {
  const tools = ['curl', 'sh'].map((name) => [`/usr/bin/${name}`, `/usr/bin/${name}`] as const);
  const server = { path: '/server.ts', file: `${import.meta.dirname}/workload/server.ts` };
  return imageArchive({
    name: IMAGE,
    layers: [nodeLayer(), { executables: tools }, { entries: [server] }],
    entrypoint: ['/usr/bin/node', '/server.ts'],
  });
}

/** A Deployment and a Service (port 80, TCP and UDP) of pods that say who they are; see workload/server.ts. */
export function workload(options: WorkloadOptions): readonly object[] {
  const { name, namespace = 'default', replicas = 1, hostPort, headless = false } = options;
  const labels = { app: name };
  const metadata = { name, namespace, labels };
  const ports = ['TCP', 'UDP'].map((protocol) => ({
    name: protocol.toLowerCase(),
    port: 80,
    targetPort: hostPort ?? PORT,
    protocol,
  }));
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports, ...(headless ? { clusterIP: 'None' } : {}) },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(labels, options) },
      },
    },
  ];
}

function podSpec(labels: Readonly<Record<string, string>>, { node, hostPort }: WorkloadOptions): object {
  const port = hostPort ?? PORT;
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return {
    ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
    ...(hostPort === undefined ? {} : { hostNetwork: true }),
    terminationGracePeriodSeconds: 1,
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: labels },
      },
    ],
    containers: [
      {
        name: 'server',
        image: IMAGE,
        env: [
          { name: 'PORT', value: String(port) },
          field('POD_NAME', 'metadata.name'),
          field('NODE_NAME', 'spec.nodeName'),
        ],
        ports: [{ containerPort: port }],
        // A busy machine is no reason to take a pod out of its Service.
        readinessProbe: { httpGet: { path: '/', port }, periodSeconds: 1, timeoutSeconds: 5 },
      },
    ],
  };
}

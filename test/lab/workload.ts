import { type ImageLayer, imageArchive } from './image.ts';

const IMAGE = 'localhost/lab/workload:1';
const PORT = 8080;

/** What a workload shall be called and where it runs. */
export interface WorkloadOptions {
  readonly name: string;
  readonly namespace?: string;
  /** Default: 1. Pods spread over the nodes. */
  readonly replicas?: number;
  /** The only node its pods may run on. */
  readonly node?: string;
}

/** The layer with Node.js, the same for every image that needs it. */
export function nodeLayer(): ImageLayer {
  return {
    executables: [[process.execPath, '/usr/bin/node']],
    entries: [{ path: '/tmp', directory: true, mode: 0o1777 }],
  };
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
export function workload({ name, namespace = 'default', replicas = 1, node }: WorkloadOptions): readonly object[] {
  const labels = { app: name };
  const metadata = { name, namespace, labels };
  const ports = ['TCP', 'UDP'].map((protocol) => ({
    name: protocol.toLowerCase(),
    port: 80,
    targetPort: PORT,
    protocol,
  }));
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(labels, node) },
      },
    },
  ];
}

function podSpec(labels: Readonly<Record<string, string>>, node: string | undefined): object {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return {
    ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
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
          { name: 'PORT', value: String(PORT) },
          field('POD_NAME', 'metadata.name'),
          field('NODE_NAME', 'spec.nodeName'),
        ],
        ports: [{ containerPort: PORT }],
        readinessProbe: { httpGet: { path: '/', port: PORT }, periodSeconds: 1 },
      },
    ],
  };
}

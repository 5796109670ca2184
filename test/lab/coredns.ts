import type { Site } from './addresses.ts';
import type { Tools } from './binaries.ts';
import { imageArchive } from './image.ts';

const IMAGE = 'localhost/lab/coredns:1';

/** CoreDNS as an image. */
export function coreDnsImage(tools: Tools): Promise<string> {
  return imageArchive({
    name: IMAGE,
    layers: [{ executables: [[tools.path('coredns'), '/coredns']] }],
    entrypoint: ['/coredns', '-conf', '/etc/coredns/Corefile'],
  });
}

/** Cluster DNS as kubeadm sets it up: Service kube-dns in kube-system, CoreDNS behind it. */
export function coreDnsManifests(replicas: number, { domain, dnsService }: Site): readonly object[] {
  const metadata = { name: 'coredns', namespace: 'kube-system' };
  const role = { name: 'system:coredns' };
  const labels = { 'k8s-app': 'kube-dns' };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: role,
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: role,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role.name },
      subjects: [{ kind: 'ServiceAccount', ...metadata }],
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: corefile(domain) } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, name: 'kube-dns', labels: { ...labels, 'kubernetes.io/name': 'CoreDNS' } },
      spec: {
        clusterIP: dnsService,
        selector: labels,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, labels },
      spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec(labels) } },
    },
  ];
}

/**
 * Nothing beyond the cluster can be resolved from inside the lab, and no question may hang. Two blocks, because within one
 * CoreDNS asks `template` before `kubernetes`, whatever their order here.
 */
const corefile = (domain: string) => `${domain} in-addr.arpa ip6.arpa {
  errors
  kubernetes ${domain} in-addr.arpa ip6.arpa {
    pods insecure
    ttl 5
  }
}
. {
  health
  ready
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;

function podSpec(labels: Readonly<Record<string, string>>): object {
  return {
    serviceAccountName: 'coredns',
    priorityClassName: 'system-cluster-critical',
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 1,
    tolerations: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: labels },
      },
    ],
    containers: [
      {
        name: 'coredns',
        image: IMAGE,
        ports: [
          { containerPort: 53, name: 'dns', protocol: 'UDP' },
          { containerPort: 53, name: 'dns-tcp', protocol: 'TCP' },
        ],
        readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
          readOnlyRootFilesystem: true,
        },
        volumeMounts: [{ name: 'config', mountPath: '/etc/coredns', readOnly: true }],
      },
    ],
    volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
  };
}

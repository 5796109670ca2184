import { describe, expect, test } from 'vitest';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { ENDING_MOST_MS } from '../../src/mesh/takeover/release.ts';
import type { PresharedKey } from '../../src/net/key.ts';
import {
  gatewayDaemonSet,
  gatewayDnsEndpoint,
  gatewayKeySecret,
  gatewayService,
  leaveJob,
  presharedKeysSecret,
} from '../../src/operator/children.ts';
import { type OperatorConfig, parseOperatorConfig } from '../../src/operator/config.ts';

const NAMESPACE = 'sallyport-system';
const LABELS = {
  'app.kubernetes.io/name': 'sallyport',
  'app.kubernetes.io/component': 'agent',
  'sallyport.dev/gateway': 'default',
};

function gatewayWith(spec: object) {
  return meshGatewayType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshGateway',
    metadata: { name: 'default', uid: 'b4a8' },
    spec,
  });
}

function configWith(agent: object): OperatorConfig {
  const result = parseOperatorConfig(JSON.stringify({ agent: { image: 'example.test/sallyport:1', ...agent } }));
  if (!result.ok) throw new Error(result.problem);
  return result.value;
}

function podOf(spec: object = {}, agent: object = {}) {
  return gatewayDaemonSet(gatewayWith(spec), configWith(agent), NAMESPACE).spec.template.spec;
}

function containerOf(spec: object = {}, agent: object = {}) {
  const [container, ...others] = podOf(spec, agent).containers;
  if (container === undefined || others.length > 0) throw new Error('expected one container');
  return container;
}

describe('every child', () => {
  const owner = { apiVersion: 'sallyport.dev/v1alpha1', kind: 'MeshGateway', name: 'default', uid: 'b4a8' };
  const gateway = gatewayWith({ endpoint: { service: {} } });

  test.each([
    ['DaemonSet', gatewayDaemonSet(gateway, configWith({}), NAMESPACE)],
    ['Service', gatewayService(gateway, NAMESPACE)],
    ['Secret', gatewayKeySecret(gateway, NAMESPACE, 'a2V5')],
    ['DNSEndpoint', gatewayDnsEndpoint(gateway, NAMESPACE, [])],
  ])('%s goes with its gateway and is found by its labels', (kind, child) => {
    expect(child?.kind).toBe(kind);
    expect(child?.metadata).toEqual({
      name: 'sallyport-default',
      namespace: NAMESPACE,
      labels: { ...LABELS, 'app.kubernetes.io/managed-by': 'sallyport-operator' },
      ownerReferences: [{ ...owner, controller: true }],
    });
  });

  test('is the same for the same gateway, so that an apply of it changes nothing', () => {
    const once = JSON.stringify(gatewayDaemonSet(gateway, configWith({}), NAMESPACE));
    expect(JSON.stringify(gatewayDaemonSet(gateway, configWith({}), NAMESPACE))).toBe(once);
  });
});

describe("a gateway's DaemonSet", () => {
  test('runs with NET_ADMIN and nothing else', () => {
    expect(containerOf().securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      privileged: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    });
    expect(podOf()).toMatchObject({
      hostNetwork: true,
      securityContext: { runAsUser: 0, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(podOf()).not.toHaveProperty('hostPID');
  });

  test('selects its own pods only, whatever labels the chart adds', () => {
    const labels = { 'app.kubernetes.io/name': 'mine', team: 'net' };
    const { selector, template } = gatewayDaemonSet(gatewayWith({}), configWith({ podLabels: labels }), NAMESPACE).spec;
    expect(selector.matchLabels).toEqual(LABELS);
    expect(template.metadata.labels).toMatchObject({ ...LABELS, team: 'net' });
  });

  test("goes to the gateway's nodes, never to Windows", () => {
    const tolerations = [{ key: 'edge', operator: 'Exists' as const }];
    expect(podOf({ nodeSelector: { edge: 'true', 'kubernetes.io/os': 'windows' }, tolerations })).toMatchObject({
      nodeSelector: { edge: 'true', 'kubernetes.io/os': 'linux' },
      tolerations,
    });
  });

  test('takes one node at a time from service, and has no surplus pod that would want the same ports', () => {
    const { updateStrategy } = gatewayDaemonSet(gatewayWith({}), configWith({}), NAMESPACE).spec;
    expect(updateStrategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } });
    expect(containerOf({ listenPort: 51999 }).ports).toEqual([
      { name: 'wireguard', containerPort: 51999, hostPort: 51999, protocol: 'UDP' },
      { name: 'wireguard-2', containerPort: 52000, hostPort: 52000, protocol: 'UDP' },
      { name: 'health', containerPort: 9841, hostPort: 9841, protocol: 'TCP', hostIP: '127.0.0.1' },
    ]);
  });

  test('has more time to end than its connections are given, for its questions to the API server and for cleaning up', () => {
    expect(podOf().terminationGracePeriodSeconds).toBeGreaterThanOrEqual(ENDING_MOST_MS / 1000 + 15);
  });

  test('is asked for its health on loopback', () => {
    expect(containerOf().livenessProbe.httpGet).toMatchObject({ host: '127.0.0.1', port: 9841, path: '/healthz' });
    expect(containerOf().readinessProbe.httpGet).toMatchObject({ host: '127.0.0.1', port: 9841, path: '/readyz' });
  });

  describe('is asked for its metrics', () => {
    const container = (metrics: object) => {
      const [only] = gatewayDaemonSet(gatewayWith({}), configWith({ metrics }), NAMESPACE).spec.template.spec
        .containers;
      if (only === undefined) throw new Error('no container');
      return only;
    };
    const asked = (metrics: object) => container(metrics).env.filter(({ name }) => /METRICS|POD_IP$/.test(name));
    const port = (metrics: object) => container(metrics).ports.find(({ name }) => name === 'metrics');

    test('on loopback alone, unless it is said otherwise', () => {
      expect(asked({})).toEqual([
        { name: 'SALLYPORT_METRICS_PORT', value: '9842' },
        { name: 'SALLYPORT_METRICS_DEVICES', value: '0' },
        { name: 'SALLYPORT_METRICS_HOSTS', value: '127.0.0.1' },
      ]);
      // A pod with the same hostPort would keep the agent from its node, for a page that nothing of the cluster reaches.
      expect(port({})).toBeUndefined();
    });

    test("on the node's address by those who are named", () => {
      const metrics = { listen: 'Node', port: 9900, devices: 50, sources: ['192.0.2.0/24', 'fd00::/64'] };
      // The kubelet puts in only what stands before.
      expect(asked(metrics)).toEqual([
        { name: 'SALLYPORT_METRICS_PORT', value: '9900' },
        { name: 'SALLYPORT_METRICS_DEVICES', value: '50' },
        { name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
        { name: 'SALLYPORT_METRICS_HOSTS', value: '127.0.0.1,$(POD_IP)' },
        { name: 'SALLYPORT_METRICS_SOURCES', value: '192.0.2.0/24,fd00::/64' },
      ]);
      expect(port(metrics)).toEqual({ name: 'metrics', containerPort: 9900, hostPort: 9900, protocol: 'TCP' });
    });

    test('not at all', () => {
      expect(asked({ listen: 'None' })).toEqual([]);
      expect(port({ listen: 'None' })).toBeUndefined();
    });
  });

  test('mounts the private key and preshared keys for root alone, and nothing of any other Secret', () => {
    const secrets = podOf().volumes.filter((volume) => 'secret' in volume);
    expect(secrets).toEqual([
      {
        name: 'keys',
        secret: { secretName: 'sallyport-default.keys', defaultMode: 0o400, optional: false },
      },
      {
        name: 'preshared-keys',
        secret: { secretName: 'sallyport-default.preshared-keys', defaultMode: 0o400, optional: true },
      },
    ]);
  });

  test.each([
    ['Kernel', []],
    ['Auto', ['/dev/net']],
    ['Userspace', ['/dev/net']],
  ])('dataplane %s mounts of the node, besides its network settings, %j', (dataplane, folders) => {
    const paths = podOf({ dataplane }).volumes.flatMap((volume) =>
      'hostPath' in volume ? [(volume.hostPath as { path: string }).path] : [],
    );
    expect(paths).toEqual(['/proc/sys/net', ...folders]);
  });

  test('mounts every volume it declares', () => {
    expect(containerOf().volumeMounts.map(({ name, mountPath, readOnly }) => [name, mountPath, readOnly])).toEqual([
      ['keys', '/etc/sallyport/keys', true],
      ['preshared-keys', '/etc/sallyport/preshared-keys', true],
      ['scratch', '/run/sallyport', false],
      ['wireguard-sockets', '/run/wireguard', false],
      ['sysctls', '/host/proc/sys/net', false],
      ['tun', '/dev/net', false],
    ]);
    expect(podOf().volumes.map((volume) => volume.name)).toEqual(
      containerOf().volumeMounts.map((mounted) => mounted.name),
    );
  });

  test('tells the agent where it is and what it serves', () => {
    const fields = containerOf({}, { logLevel: 'debug' }).env.map(({ name, value, valueFrom }) => [
      name,
      value ?? valueFrom?.fieldRef.fieldPath,
    ]);
    expect(Object.fromEntries(fields)).toEqual({
      NODE_NAME: 'spec.nodeName',
      POD_NAME: 'metadata.name',
      POD_NAMESPACE: 'metadata.namespace',
      POD_IPS: 'status.podIPs',
      SALLYPORT_GATEWAY: 'default',
      SALLYPORT_LOG_LEVEL: 'debug',
      SALLYPORT_METRICS_DEVICES: '0',
      SALLYPORT_METRICS_HOSTS: '127.0.0.1',
      SALLYPORT_METRICS_PORT: '9842',
      NODE_OPTIONS: '--max-semi-space-size=1',
    });
  });

  test('leaves out what the chart leaves empty', () => {
    expect(podOf({}, { priorityClassName: '' })).not.toHaveProperty('priorityClassName');
    expect(podOf()).not.toHaveProperty('imagePullSecrets');
    expect(podOf({}, { imagePullSecrets: ['registry'] })).toMatchObject({ imagePullSecrets: [{ name: 'registry' }] });
  });
});

describe("a gateway's Service", () => {
  test('exists only when asked for', () => {
    expect(gatewayService(gatewayWith({}), NAMESPACE)).toBeUndefined();
    expect(gatewayService(gatewayWith({ endpoint: { hosts: ['vpn.example.com'] } }), NAMESPACE)).toBeUndefined();
  });

  test("leads to the gateway's agents and keeps the device's address", () => {
    const service = gatewayService(gatewayWith({ endpoint: { service: {} } }), NAMESPACE);
    expect(service?.spec).toEqual({
      type: 'LoadBalancer',
      selector: LABELS,
      externalTrafficPolicy: 'Local',
      ports: [
        { name: 'wireguard', protocol: 'UDP', port: 51840, targetPort: 51840 },
        { name: 'wireguard-2', protocol: 'UDP', port: 51841, targetPort: 51841 },
      ],
    });
  });

  test('takes the annotations and the port that the gateway names', () => {
    const annotations = { 'example.com/lb': 'internal' };
    const endpoint = { service: { type: 'NodePort', annotations, nodePort: 30840 } };
    const service = gatewayService(gatewayWith({ endpoint }), NAMESPACE);
    expect(service?.metadata).toMatchObject({ annotations });
    expect(service?.spec).toMatchObject({ type: 'NodePort', ports: [{ nodePort: 30840 }, { port: 51841 }] });
  });

  test('has addresses of the families that the gateway asks for', () => {
    const service = gatewayService(
      gatewayWith({ endpoint: { service: { ipFamilyPolicy: 'PreferDualStack' } } }),
      NAMESPACE,
    );
    expect(service?.spec).toMatchObject({ ipFamilyPolicy: 'PreferDualStack' });
  });

  test('tells external-dns the names, beside what else is annotated, unless a DNSEndpoint does', () => {
    const annotationsOf = (dns: object) => {
      const endpoint = { service: { annotations: { 'example.com/lb': 'internal' } }, dns };
      return gatewayService(gatewayWith({ endpoint }), NAMESPACE)?.metadata.annotations;
    };
    expect(annotationsOf({ hostnames: ['a.example.com', 'b.example.com'], ttlSeconds: 30 })).toEqual({
      'example.com/lb': 'internal',
      'external-dns.alpha.kubernetes.io/hostname': 'a.example.com,b.example.com',
      'external-dns.alpha.kubernetes.io/ttl': '30',
    });
    expect(annotationsOf({ hostnames: ['a.example.com'], publishedBy: 'DNSEndpoint' })).toEqual({
      'example.com/lb': 'internal',
    });
  });
});

describe('the Secret with the preshared keys of a gateway', () => {
  const secret = presharedKeysSecret(gatewayWith({}), NAMESPACE, new Map([['version-1', 'a key' as PresharedKey]]));

  test('goes with its gateway, of a type that is never taken for the key of one peer', () => {
    expect(secret.type).toBe('sallyport.dev/preshared-keys');
    expect(secret.metadata.ownerReferences).toMatchObject([{ name: 'default', uid: 'b4a8' }]);
  });

  test('has a name that no gateway can have', () => {
    expect(secret.metadata.name).toBe('sallyport-default.preshared-keys');
  });

  test('holds a file for each version', () => {
    expect(secret.data).toEqual({ 'version-1': Buffer.from('a key').toString('base64') });
  });
});

describe("a gateway's Secret", () => {
  test('holds the text of the key', () => {
    const secret = gatewayKeySecret(gatewayWith({}), NAMESPACE, 'private text');
    expect(secret.type).toBe('Opaque');
    expect(Buffer.from(secret.data.privateKey, 'base64').toString()).toBe('private text');
  });
});

describe('the Job that cleans a node', () => {
  const report = meshGatewayNodeType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshGatewayNode',
    metadata: { name: 'default.node-2', namespace: NAMESPACE, uid: '77' },
    spec: { gateway: 'default', node: 'node-2' },
  });
  const job = leaveJob(gatewayWith({ nodeSelector: { edge: 'yes' } }), report, configWith({}), NAMESPACE);
  const pod: object = job.spec.template.spec;

  test('runs on that node, whatever its labels and taints are, beside the agent of another gateway', () => {
    expect(pod).toMatchObject({
      nodeName: 'node-2',
      tolerations: [{ operator: 'Exists' }],
      restartPolicy: 'OnFailure',
    });
    expect(pod).not.toHaveProperty('nodeSelector');
    expect(job.spec.template.spec.containers).toEqual([
      expect.objectContaining({ command: ['node', '/app/agent.mjs', 'leave'] }),
    ]);
    expect(job.spec.template.spec.containers[0]).not.toHaveProperty('ports');
  });

  test('may do what the agents may, and no more', () => {
    const { ports, livenessProbe, readinessProbe, command, ...agent } = containerOf({ nodeSelector: { edge: 'yes' } });
    expect(job.spec.template.spec.containers[0]).toMatchObject(agent);
  });

  test('goes with the report, and is not taken for an agent by the DaemonSet or the Service', () => {
    expect(job.metadata.ownerReferences).toEqual([
      expect.objectContaining({ kind: 'MeshGatewayNode', name: 'default.node-2', uid: '77' }),
    ]);
    const { matchLabels } = gatewayDaemonSet(gatewayWith({}), configWith({}), NAMESPACE).spec.selector;
    expect(job.spec.template.metadata.labels).not.toMatchObject(matchLabels);
  });

  test('has a name that Kubernetes takes for any name of a node, and another one for another node', () => {
    const long = { ...report, metadata: { ...report.metadata, name: `default.${'n'.repeat(240)}` } };
    const other = leaveJob(gatewayWith({}), long, configWith({}), NAMESPACE);
    expect(other.metadata.name).toMatch(/^[a-z0-9-]{1,63}$/);
    expect(other.metadata.name).not.toBe(job.metadata.name);
  });
});

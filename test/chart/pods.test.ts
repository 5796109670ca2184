import { beforeAll, describe, expect, test } from 'vitest';
import { parseOperatorConfig } from '../../src/operator/config.ts';
import { HELM, NEEDS_HELM, one, type Rendered, render } from './helm.ts';

interface Pod {
  readonly serviceAccountName: string;
  readonly securityContext: object;
  readonly containers: readonly Readonly<Record<string, unknown>>[];
  readonly [field: string]: unknown;
}

interface Workload {
  readonly replicas?: number;
  readonly template: { readonly metadata: Rendered['metadata']; readonly spec: Pod };
  readonly [field: string]: unknown;
}

const workloadOf = (object: Rendered) => object.spec as Workload;
const podOf = (object: Rendered) => workloadOf(object).template.spec;
const configOf = (objects: readonly Rendered[]) => {
  const { data } = one(objects, 'ConfigMap', 'sallyport-operator') as unknown as { data: Record<string, string> };
  const config = parseOperatorConfig(data['operator.yaml'] ?? '');
  if (!config.ok) throw new Error(config.problem);
  return config.value;
};

describe.skipIf(HELM === undefined)(`the pods of the chart${NEEDS_HELM}`, () => {
  let objects: readonly Rendered[];
  beforeAll(async () => {
    objects = await render();
  });

  test.each([
    ['Deployment', 'sallyport-operator'],
    ['Job', 'sallyport-cleanup'],
  ])('%s %s passes Pod Security "restricted"', (kind, name) => {
    const { securityContext, containers, ...pod } = podOf(one(objects, kind, name));
    expect(securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(containers.map((container) => container.securityContext)).toEqual([
      {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        privileged: false,
        capabilities: { drop: ['ALL'] },
      },
    ]);
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'initContainers']) expect(pod).not.toHaveProperty(field);
  });

  test('nothing is privileged or on the host, in any object', () => {
    expect(JSON.stringify(objects)).not.toMatch(/"privileged":true|hostPath|"hostNetwork":true|hostPID/);
  });

  test('the operator stands on two legs, on different nodes where there are two', () => {
    const deployment = one(objects, 'Deployment', 'sallyport-operator');
    expect(workloadOf(deployment).replicas).toBe(2);
    expect(podOf(deployment).affinity).toMatchObject({
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { podAffinityTerm: { topologyKey: 'kubernetes.io/hostname' } },
        ],
      },
    });
    expect(one(objects, 'PodDisruptionBudget', 'sallyport-operator').spec).toMatchObject({ maxUnavailable: 1 });
  });

  test('a disruption budget never blocks the drain of a single replica', async () => {
    const single = await render({ operator: { replicas: 1 } });
    expect(single.filter(({ kind }) => kind === 'PodDisruptionBudget')).toEqual([]);
  });

  test('the operator can be asked for its health', () => {
    const [container] = podOf(one(objects, 'Deployment', 'sallyport-operator')).containers;
    expect(container).toMatchObject({
      command: ['node', '/app/operator.mjs', 'run'],
      ports: [
        { name: 'health', containerPort: 8081 },
        { name: 'metrics', containerPort: 9842 },
      ],
      livenessProbe: { httpGet: { path: '/healthz', port: 'health' } },
      readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
      resources: { requests: { memory: '128Mi' }, limits: { memory: '1Gi' } },
    });
  });

  test('the default configuration is the one that the operator has by itself', () => {
    expect(configOf(objects)).toEqual(
      ((parsed) => parsed.ok && parsed.value)(parseOperatorConfig('agent: {image: "sallyport:0.1.0"}')),
    );
  });

  test('what values say about agents reaches the operator', async () => {
    const config = configOf(
      await render({
        image: { repository: 'example.test/sallyport', digest: `sha256:${'a'.repeat(64)}`, pullSecrets: ['pull'] },
        pool: { cidrs: ['10.9.0.0/20', 'fd00:1:2::/64'] },
        operator: { logLevel: 'warn' },
        agent: {
          logLevel: 'debug',
          priorityClassName: '',
          podLabels: { team: 'net' },
          podAnnotations: { 'example.test/x': '1' },
          resources: { limits: { cpu: 2 } },
        },
      }),
    );
    expect(config).toMatchObject({
      pool: ['10.9.0.0/20', 'fd00:1:2::/64'],
      logLevel: 'warn',
      agent: {
        image: `example.test/sallyport@sha256:${'a'.repeat(64)}`,
        imagePullSecrets: ['pull'],
        logLevel: 'debug',
        priorityClassName: '',
        podLabels: { team: 'net' },
        podAnnotations: { 'example.test/x': '1' },
        resources: { limits: { cpu: '2', memory: '1Gi' } },
      },
    });
  });

  test('another configuration means other pods', async () => {
    const checksum = (rendered: readonly Rendered[]) =>
      workloadOf(one(rendered, 'Deployment', 'sallyport-operator')).template.metadata.annotations?.[
        'sallyport.dev/config-checksum'
      ];
    expect(checksum(objects)).toMatch(/^[0-9a-f]{64}$/);
    expect(checksum(await render({ agent: { logLevel: 'debug' } }))).not.toBe(checksum(objects));
    expect(checksum(await render({ cleanup: { deadlineSeconds: 60 } }))).toBe(checksum(objects));
  });

  test('who may ask the operator for its metrics can be said, and whether anybody may', async () => {
    const ingressOf = (rendered: readonly Rendered[]) =>
      (one(rendered, 'NetworkPolicy', 'sallyport-operator').spec as { ingress: readonly unknown[] }).ingress;
    const ports = [{ port: 9842, protocol: 'TCP' }];
    expect(ingressOf(objects)[1]).toEqual({ from: [{ namespaceSelector: {} }], ports });
    const selector = { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } };
    expect(ingressOf(await render({ metrics: { scrapedFrom: selector } }))[1]).toEqual({
      from: [{ namespaceSelector: selector }],
      ports,
    });
    expect(ingressOf(await render({ metrics: { scrapedFrom: null } }))[1]).toEqual(ingressOf(objects)[1]);
    const off = await render({ metrics: { enabled: false } });
    expect(ingressOf(off)).toHaveLength(1);
    expect(podOf(one(off, 'Deployment', 'sallyport-operator')).containers[0]?.ports).toHaveLength(1);
    expect(configOf(off)).toMatchObject({ metrics: { enabled: false }, agent: { metrics: { listen: 'None' } } });
  });

  test('the operator may reach the ports of the API server and nothing else, and is found by its own labels', async () => {
    const policyOf = (rendered: readonly Rendered[]) =>
      one(rendered, 'NetworkPolicy', 'sallyport-operator').spec as {
        readonly podSelector: { readonly matchLabels: object };
      };
    const tcp = (...ports: readonly number[]) => [{ ports: ports.map((port) => ({ port, protocol: 'TCP' })) }];
    expect(policyOf(objects)).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      egress: tcp(443, 6443, 8443, 16443),
    });
    const { podSelector } = policyOf(objects);
    const template = one(objects, 'Deployment', 'sallyport-operator').spec as {
      readonly template: { readonly metadata: { readonly labels: object } };
    };
    expect(template.template.metadata.labels).toMatchObject(podSelector.matchLabels);
    const other = await render({ operator: { networkPolicy: { apiServerPorts: [16443] } } });
    expect(policyOf(other)).toMatchObject({ egress: tcp(16443) });
    const off = await render({ operator: { networkPolicy: { enabled: false } } });
    expect(off.filter(({ kind }) => kind === 'NetworkPolicy')).toEqual([]);
  });

  test('null for the sources of metrics means those of the operator', async () => {
    expect(configOf(await render({ metrics: { agents: { sources: null } } }))).toEqual(configOf(objects));
  });

  test('labels from values never change what the Deployment selects', async () => {
    const labels = { 'app.kubernetes.io/component': 'mine', team: 'net' };
    const deployment = one(await render({ operator: { podLabels: labels } }), 'Deployment', 'sallyport-operator');
    const { selector, template } = workloadOf(deployment);
    expect(template.metadata.labels).toMatchObject({
      team: 'net',
      ...(selector as { matchLabels: object }).matchLabels,
    });
  });

  test('where the pods run can be said', async () => {
    const operator = {
      nodeSelector: { pool: 'system' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'high',
    };
    const rendered = await render({ operator, image: { pullSecrets: ['pull'] } });
    expect(podOf(one(rendered, 'Deployment', 'sallyport-operator'))).toMatchObject({
      nodeSelector: { pool: 'system', 'kubernetes.io/os': 'linux' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'high',
      imagePullSecrets: [{ name: 'pull' }],
    });
  });
});

import { describe, expect, test } from 'vitest';
import { CHART, HELM, helm, NEEDS_HELM, one, type Rendered, render } from './helm.ts';

interface Job {
  readonly activeDeadlineSeconds: number;
  readonly backoffLimit: number;
  readonly ttlSecondsAfterFinished: number;
  readonly template: { readonly spec: Readonly<Record<string, unknown>> };
}

interface Validation {
  readonly expression: string;
  readonly messageExpression: string;
}

interface Policy {
  readonly validations: readonly Validation[];
}

function adviceOf(validations: readonly Validation[]): string {
  return validations.map(({ messageExpression }) => messageExpression).join('\n');
}

describe.skipIf(HELM === undefined)(`the chart${NEEDS_HELM}`, () => {
  test('passes helm lint', async () => {
    const { code, stdout, stderr } = await helm(['lint', '--strict', CHART]);
    expect(code, stdout + stderr).toBe(0);
  });

  test('asks for one gateway, so that an installation alone gives one', async () => {
    const gateway = one(await render(), 'MeshGateway', 'default');
    expect(gateway).toMatchObject({ apiVersion: 'sallyport.dev/v1alpha1', spec: {} });
  });

  test('has its clean-up delete the gateway, because Helm could not without the definition', async () => {
    const annotations = async (values: object) =>
      one(await render(values), 'MeshGateway', 'default').metadata.annotations;
    expect(await annotations({})).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect(await annotations({ cleanup: { enabled: false } })).toBeUndefined();
  });

  test('passes the gateway on as it is written', async () => {
    const spec = { listenPort: 51999, endpoint: { hosts: ['vpn.example.com'] }, advertise: { cidrs: ['10.1.0.0/16'] } };
    expect(one(await render({ gateway: { name: 'team-a', spec } }), 'MeshGateway', 'team-a').spec).toEqual(spec);
  });

  test('leaves gateways to others when told so', async () => {
    const rendered = await render({ gateway: { create: false } });
    expect(rendered.filter(({ kind }) => kind === 'MeshGateway')).toEqual([]);
  });

  test.each([
    ['system-node-critical', 1],
    ['high', 0],
    ['', 0],
  ])('with priority class "%s" has %i quota that admits the agents', async (priorityClassName, count) => {
    const quotas = (await render({ agent: { priorityClassName } })).filter(({ kind }) => kind === 'ResourceQuota');
    expect(quotas).toHaveLength(count);
  });

  describe('about owners of devices', () => {
    const NOBODYS = "(oldObject == null || variables.before != '') && (object == null || variables.after != '')";
    const validations = async (values: object) =>
      (one(await render(values), 'ValidatingAdmissionPolicy', 'sallyport-owners').spec as Policy).validations;

    test('lets a developer leave a device without one, and advises so, unless told that each has one', async () => {
      const lenient = await validations({});
      const strict = await validations({ policies: { owners: { required: true } } });
      const expressions = lenient.map(({ expression }) => expression);
      expect(expressions).not.toContain(NOBODYS);
      expect(strict.map(({ expression }) => expression)).toEqual([NOBODYS, ...expressions]);
      expect(adviceOf(lenient)).toContain('name yourself or leave it out;');
      expect(adviceOf(strict)).not.toContain('leave it out');
    });

    test('says nothing when told so', async () => {
      const rendered = await render({ policies: { owners: { enabled: false, required: true } } });
      expect(rendered.filter(({ metadata }) => metadata.name === 'sallyport-owners')).toEqual([]);
    });
  });

  test('puts every object that can be in a namespace into one', async () => {
    const loose = (await render()).filter(({ metadata }) => metadata.namespace === undefined);
    expect([...new Set(loose.map(({ kind }) => kind))].sort()).toEqual([
      'ClusterRole',
      'ClusterRoleBinding',
      'MeshGateway',
      'ValidatingAdmissionPolicy',
      'ValidatingAdmissionPolicyBinding',
    ]);
  });
});

describe.skipIf(HELM === undefined)(`before an uninstallation, the chart${NEEDS_HELM}`, () => {
  const hooks = (objects: readonly Rendered[]) =>
    objects.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] !== undefined);

  test('runs the clean-up, which always ends, within the time that Helm waits', async () => {
    const job = one(await render(), 'Job', 'sallyport-cleanup').spec as Job;
    expect(job.template.spec).toMatchObject({
      restartPolicy: 'Never',
      serviceAccountName: 'sallyport-cleanup',
      containers: [{ command: ['node', '/app/operator.mjs', 'cleanup', '--deadline', '90s'] }],
    });
    expect(job.activeDeadlineSeconds).toBeGreaterThan(90);
    expect(job.activeDeadlineSeconds).toBeLessThan(300);
    expect(job.backoffLimit).toBeLessThanOrEqual(2);
    expect(job.ttlSecondsAfterFinished).toBeGreaterThan(0);
  });

  test('gives a longer clean-up more time', async () => {
    const job = one(await render({ cleanup: { deadlineSeconds: 200 } }), 'Job', 'sallyport-cleanup').spec as Job;
    expect(job.template.spec).toMatchObject({ containers: [{ command: expect.arrayContaining(['200s']) }] });
    expect(job.activeDeadlineSeconds).toBe(260);
  });

  test('finds the clean-up a node, drained ones and the control plane included, and another one when that dies', async () => {
    const job = one(await render(), 'Job', 'sallyport-cleanup').spec as Job;
    expect(job.template.spec.tolerations).toEqual([
      { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
    ]);
  });

  test('makes the account before its rights, and both before the Job', async () => {
    const weights = hooks(await render()).map(({ kind, metadata }) => [
      kind,
      Number(metadata.annotations?.['helm.sh/hook-weight']),
    ]);
    expect(Object.fromEntries(weights)).toEqual({
      ServiceAccount: -2,
      ClusterRole: -2,
      ClusterRoleBinding: -1,
      Job: 0,
    });
  });

  test('does nothing when told so', async () => {
    expect(hooks(await render({ cleanup: { enabled: false } }))).toEqual([]);
  });
});

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { INSTALL_MANIFEST } from '../../scripts/render-manifests.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { crds, DEFAULT_POOL_FAMILIES } from '../../src/api/crd.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { OPERATOR_MANAGER } from '../../src/api/names.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { gatewayDaemonSet, gatewayKeySecret, gatewayService, leaveJob } from '../../src/operator/children.ts';
import { type OperatorConfig, parseOperatorConfig } from '../../src/operator/config.ts';
import { controlPlaneBinaries, type RealApiServer, startRealApiServer } from '../support/real-api-server.ts';
import { describeAskedSecrets } from './asked-secrets.ts';
import { describeAttempts } from './attempts.ts';
import { labTools } from './binaries.ts';
import { sameInDocument } from './printed-document.ts';
import { type AccessRule, type RightsOf, rightsText } from './rights.ts';
import { TOOL_MODULES } from './tool-list.ts';

const NAMESPACE = 'sallyport-system';
const OPERATOR = `system:serviceaccount:${NAMESPACE}:sallyport-operator`;
const AGENT = `system:serviceaccount:${NAMESPACE}:sallyport-agent`;
const APPLY = { 'content-type': 'application/apply-patch+yaml' };
const MERGE = { 'content-type': 'application/merge-patch+json' };
const GATEWAYS = '/apis/sallyport.dev/v1alpha1/meshgateways';

interface Stored {
  readonly metadata: { readonly resourceVersion: string; readonly generation?: number };
  readonly message?: string;
}

interface PodTemplate {
  readonly spec: { readonly template: { readonly spec: object } };
}

describe('the chart on a real kube-apiserver', () => {
  let server: RealApiServer;
  let helmHome: string;
  let helm: (...words: string[]) => Promise<string>;

  beforeAll(async () => {
    const tools = await labTools(TOOL_MODULES.filter(({ folder }) => folder === 'helm'));
    server = await startRealApiServer(await controlPlaneBinaries());
    helmHome = await mkdtemp(join(tmpdir(), 'sallyport-helm-'));
    const folders = { HELM_CACHE_HOME: helmHome, HELM_CONFIG_HOME: helmHome, HELM_DATA_HOME: helmHome };
    const env = { ...process.env, ...folders, KUBECACHEDIR: helmHome, KUBECONFIG: server.kubeconfig };
    helm = async (...words) => (await promisify(execFile)(tools.path('helm'), words, { env })).stdout;
    await helm('install', 'sallyport', inProject('charts/sallyport'), '-n', NAMESPACE, '--create-namespace');
  });

  afterAll(async () => {
    await server?.stop();
    await rm(helmHome, { recursive: true, force: true });
  });

  const apply = (user: string, path: string, object: object) =>
    server.ask('PATCH', `${path}?fieldManager=${OPERATOR_MANAGER}&force=true`, object, {
      ...APPLY,
      'impersonate-user': user,
    });

  const may = async (user: string, verb: string, resource: string, group: string, namespace?: string) => {
    const resourceAttributes = { verb, resource, group, ...(namespace === undefined ? {} : { namespace }) };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    };
    const { body } = await server.ask('POST', path, review, { 'impersonate-user': user });
    return (body as { readonly status: { readonly allowed: boolean } }).status.allowed;
  };

  const enforce = (level: string) =>
    server.ask(
      'PATCH',
      `/api/v1/namespaces/${NAMESPACE}`,
      { metadata: { labels: { 'pod-security.kubernetes.io/enforce': level } } },
      MERGE,
    );

  const tryPod = async (spec: object) => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'tried' }, spec };
    const { status, body } = await server.ask('POST', `/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All`, pod);
    return { status, message: (body as Stored).message ?? '' };
  };

  const gateway = async () => meshGatewayType.parse((await server.ask('GET', `${GATEWAYS}/default`)).body);

  test('an installation gives a gateway', async () => {
    expect(await gateway()).toMatchObject({ spec: { listenPort: 51840, advertise: { services: { enabled: true } } } });
  });

  test('a second installation is refused', async () => {
    const second = helm('install', 'other', inProject('charts/sallyport'), '-n', 'other', '--create-namespace');
    await expect(second).rejects.toThrow(/cannot be imported into the current release/);
  });

  test('the operator may write its own definitions, also where somebody deleted one, and no others', async () => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await server.ask('DELETE', `${path}/meshgatewaynodes.sallyport.dev`);
    await expect.poll(async () => (await server.ask('GET', `${path}/meshgatewaynodes.sallyport.dev`)).status).toBe(404);
    for (const crd of crds(DEFAULT_POOL_FAMILIES))
      expect((await apply(OPERATOR, `${path}/${crd.metadata.name}`, crd)).status).toBeLessThan(300);
    const foreign = JSON.parse(
      JSON.stringify(crds(DEFAULT_POOL_FAMILIES)[0]).replaceAll('sallyport.dev', 'example.com'),
    );
    expect(await told(apply(OPERATOR, `${path}/${foreign.metadata.name}`, foreign))).toMatch(/^403 .*cannot patch/);
  });

  test('the operator may make what a gateway needs, and making it again changes nothing', async () => {
    const { metadata, ...rest } = await gateway();
    const wanted = {
      metadata,
      ...rest,
      spec: { ...rest.spec, endpoint: { hosts: [], service: { type: 'NodePort' as const } } },
    };
    const core = `/api/v1/namespaces/${NAMESPACE}`;
    const secret = gatewayKeySecret(wanted, NAMESPACE, 'text');
    expect((await server.ask('POST', `${core}/secrets`, secret, { 'impersonate-user': OPERATOR })).status).toBe(201);
    const children = [
      [`/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets`, gatewayDaemonSet(wanted, config(), NAMESPACE)],
      [`${core}/services`, gatewayService(wanted, NAMESPACE) ?? {}],
    ] as const;
    for (const [path, child] of children) {
      const first = await apply(OPERATOR, `${path}/sallyport-default`, child);
      const again = await apply(OPERATOR, `${path}/sallyport-default`, child);
      expect([first.status, again.status], JSON.stringify(first.body)).toEqual([201, 200]);
      expect((again.body as Stored).metadata.resourceVersion).toBe((first.body as Stored).metadata.resourceVersion);
    }
  });

  test('the operator may make the Job that cleans a node, also where owner references are checked', async () => {
    const reports = `/apis/sallyport.dev/v1alpha1/namespaces/${NAMESPACE}/meshgatewaynodes`;
    const spec = { gateway: 'default', node: 'node-9' };
    const made = await server.ask('POST', reports, {
      apiVersion: 'sallyport.dev/v1alpha1',
      kind: 'MeshGatewayNode',
      metadata: { name: 'default.node-9' },
      spec,
    });
    const job = leaveJob(await gateway(), meshGatewayNodeType.parse(made.body), config(), NAMESPACE);
    const jobs = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
    const make = () => server.ask('POST', jobs, job, { 'impersonate-user': OPERATOR });
    // The definition is a new one: who checks owners asks every half minute which kinds there are.
    const unknown = /cannot find RESTMapping/;
    let answer = await make();
    const known = async () => {
      if (unknown.test(JSON.stringify(answer.body))) answer = await make();
      return JSON.stringify(answer.body);
    };
    await expect.poll(known, { timeout: 45_000, interval: 1_000 }).not.toMatch(unknown);
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    expect(await may(OPERATOR, 'create', 'jobs', 'batch', 'default')).toBe(false);
    expect(await may(OPERATOR, 'delete', 'jobs', 'batch', NAMESPACE)).toBe(false);
  });

  test('a Secret elsewhere is out of reach, and every Secret for the agents', async () => {
    expect(await may(OPERATOR, 'get', 'secrets', '', NAMESPACE)).toBe(true);
    for (const namespace of ['default', 'kube-system', undefined])
      expect(await may(OPERATOR, 'get', 'secrets', '', namespace)).toBe(false);
    for (const verb of ['get', 'list', 'watch']) expect(await may(AGENT, verb, 'secrets', '', NAMESPACE)).toBe(false);
  });

  test('an agent may report on itself and change nothing else', async () => {
    expect(await may(AGENT, 'patch', 'meshgatewaynodes', 'sallyport.dev', NAMESPACE)).toBe(true);
    expect(await may(AGENT, 'list', 'meshpeers', 'sallyport.dev')).toBe(true);
    expect(await may(AGENT, 'patch', 'meshpeers', 'sallyport.dev', 'default')).toBe(false);
    expect(await may(AGENT, 'patch', 'meshgateways', 'sallyport.dev')).toBe(false);
    expect(await may(AGENT, 'create', 'pods', '', NAMESPACE)).toBe(false);
    expect(await may(AGENT, 'list', 'nodes', '')).toBe(false);
    expect(await may(AGENT, 'create', 'events', 'events.k8s.io', 'default')).toBe(true);
    for (const namespace of [NAMESPACE, 'kube-system', undefined])
      for (const verb of ['create', 'patch'])
        expect(await may(AGENT, verb, 'events', 'events.k8s.io', namespace)).toBe(false);
    expect(await may(AGENT, 'delete', 'daemonsets', 'apps', NAMESPACE)).toBe(false);
  });

  const asAgentOf = (node: string | undefined) => ({
    'impersonate-user': AGENT,
    ...(node === undefined ? {} : { 'impersonate-extra-authentication.kubernetes.io%2fnode-name': node }),
  });

  const report = (gateway: string, node: string, name = `${gateway}.${node}`) => ({
    path: `/apis/sallyport.dev/v1alpha1/namespaces/${NAMESPACE}/meshgatewaynodes`,
    object: {
      apiVersion: 'sallyport.dev/v1alpha1',
      kind: 'MeshGatewayNode',
      metadata: { name },
      spec: { gateway, node },
    },
  });

  const lease = (name: string) => ({
    path: `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases`,
    object: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec: {} },
  });

  test('an agent writes the report and the Lease of its own node, and a token taken from there no other', async () => {
    const create = ({ path, object }: { readonly path: string; readonly object: object }, node?: string) =>
      told(server.ask('POST', path, object, asAgentOf(node)));
    const tried = report('default', 'node-1');
    const dryRun = { ...tried, path: `${tried.path}?dryRun=All` };
    // The API server takes a policy up some seconds after it was made.
    await expect.poll(() => create(dryRun, 'node-2')).toMatch(/^403 .*the agent of node node-2/);
    expect(await create(report('default', 'node-2'), 'node-2')).toMatch(/^201/);
    expect(await create(lease('default.node-2'), 'node-2')).toMatch(/^201/);
    expect(await create(report('default', 'a.node-2'), 'node-2')).toMatch(/^403 .*default\.a\.node-2 is not/);
    expect(await create(report('default', 'node-1', 'office.node-2'), 'node-2')).toMatch(/^422 .*spec\.gateway, a dot/);
    expect(await create(lease('sallyport-operator'), 'node-2')).toMatch(
      /^403 .*node node-2 writes the report and the Lease of that node, and sallyport-operator is not/,
    );
    expect(await create(report('default', 'node-3'))).toMatch(/^403 .*this token names none/);
    const { path } = report('default', 'node-2');
    const lie = { status: { peers: 1 } };
    const status = server.ask('PATCH', `${path}/default.node-2/status`, lie, { ...MERGE, ...asAgentOf('node-1') });
    const refused = /^403 .*the agent of node node-1 writes .* default\.node-2 is not/;
    expect(await told(status)).toMatch(refused);
    for (const { path } of [report('default', 'node-2'), lease('default.node-2')]) {
      const remove = (node: string) => told(server.ask('DELETE', `${path}/default.node-2`, undefined, asAgentOf(node)));
      expect(await remove('node-1')).toMatch(refused);
      expect(await remove('node-2')).toMatch(/^200/);
    }
  });

  test('an agent tells Events in its own name and about gateways, and a token taken from there forges and rewrites no other', async () => {
    const path = '/apis/events.k8s.io/v1/namespaces/default/events';
    const asPod = (pod: string) => ({
      'impersonate-user': AGENT,
      'impersonate-extra-authentication.kubernetes.io%2fpod-name': pod,
    });
    const regarding = { apiVersion: 'sallyport.dev/v1alpha1', kind: 'MeshGateway', name: 'default' };
    const event = (name: string, changes: object = {}) => ({
      metadata: { name, namespace: 'default' },
      eventTime: '2026-01-31T18:00:00.000000Z',
      reportingController: 'sallyport.dev/agent',
      reportingInstance: 'sallyport-default-a',
      type: 'Warning',
      reason: 'DriftMended',
      action: 'Mend',
      regarding,
      ...changes,
    });
    const create = (name: string, changes: object = {}, query = '', headers: object = asPod('sallyport-default-a')) =>
      told(server.ask('POST', `${path}${query}`, event(name, changes), { ...headers }));
    const change = (name: string, patch: object, headers: object = asPod('sallyport-default-a')) =>
      told(server.ask('PATCH', `${path}/${name}`, patch, { ...MERGE, ...headers }));
    const others = { reportingInstance: 'sallyport-default-b' };
    await expect.poll(() => create('forged', others, '?dryRun=All')).toMatch(/^403 .*pod sallyport-default-a tells/);
    expect(await create('own')).toMatch(/^201/);
    expect(await create('forged', { reportingController: 'kubelet' })).toMatch(/^403 .*pod sallyport-default-a tells/);
    expect(await create('forged', { regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-1' } })).toMatch(
      /^403 .*about MeshGateways of sallyport.dev, and this one is about a Node/,
    );
    expect(await create('forged', {}, '', { 'impersonate-user': AGENT })).toMatch(/^403 .*this token names none/);
    const elsewhere = server.ask('POST', path.replace('default', 'kube-system'), event('x'), asPod('x'));
    expect(await told(elsewhere)).toMatch(/^403 .*cannot create resource "events"/);
    const series = { series: { count: 2, lastObservedTime: '2026-01-31T18:01:00.000000Z' } };
    expect(await change('own', series)).toMatch(/^200/);
    expect(await change('own', series, asPod('sallyport-default-b'))).toMatch(/^403 .*pod sallyport-default-b tells/);
    expect((await server.ask('POST', path, event('kubelets', { reportingController: 'kubelet' }))).status).toBe(201);
    expect(await change('kubelets', series)).toMatch(/^403 .*pod sallyport-default-a tells/);
  });

  test('a device is its owner’s: nobody else names them, changes it or deletes it, but who may act for owners', async () => {
    const path = '/apis/sallyport.dev/v1alpha1/namespaces/default/meshpeers';
    const kubeSystem = 'system:serviceaccount:kube-system';
    const addon = `${kubeSystem}:addon`;
    const developer = 'sallyport-developer';
    const roles = { ada: developer, bob: developer, [addon]: developer, pat: 'sallyport-admin' };
    for (const [user, role] of Object.entries(roles))
      await server.ask('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
        metadata: { name: `${user}-${role}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      });
    const create = (user: string, name: string, owner?: string, query = '') => {
      const { publicKey } = keyPairFrom(randomBytes(32));
      const spec = { publicKey, ...(owner === undefined ? {} : { owner }) };
      const object = { apiVersion: 'sallyport.dev/v1alpha1', kind: 'MeshPeer', metadata: { name }, spec };
      return told(server.ask('POST', `${path}${query}`, object, { 'impersonate-user': user }));
    };
    const patch = (user: string, name: string, spec: object) =>
      told(server.ask('PATCH', `${path}/${name}`, { spec }, { ...MERGE, 'impersonate-user': user }));
    const remove = (user: string, name: string) =>
      told(server.ask('DELETE', `${path}/${name}`, undefined, { 'impersonate-user': user }));
    await expect
      .poll(() => create('bob', 'borrowed', 'ada', '?dryRun=All'))
      .toMatch(/^403 .*spec\.owner is ada, and you are bob/);
    expect(await create('ada', 'laptop', 'ada')).toMatch(/^201/);
    expect(await create('ada', 'nobodys')).toMatch(/^201/);
    expect(await patch('bob', 'laptop', { suspended: true })).toMatch(/^403 .*the device of ada, and you are bob/);
    expect(await patch('bob', 'laptop', { owner: null })).toMatch(/^403 .*the device of ada, and you are bob/);
    expect(await patch('bob', 'laptop', { owner: 'bob' })).toMatch(/^403 .*the device of ada, and you are bob/);
    expect(await remove('bob', 'laptop')).toMatch(/^403 .*only its owner/);
    expect(await patch('ada', 'laptop', { suspended: true })).toMatch(/^200/);
    expect(await patch('ada', 'laptop', { owner: 'bob' })).toMatch(/^403 .*spec\.owner is bob, and you are ada/);
    expect(await patch('bob', 'nobodys', { suspended: true })).toMatch(/^200/);
    expect(await patch('pat', 'laptop', { owner: 'bob' })).toMatch(/^200/);
    expect(await patch(OPERATOR, 'laptop', { suspended: false })).toMatch(/^403 .*cannot patch/);
    expect(await remove(OPERATOR, 'laptop')).toMatch(/^200/);
    expect(await create('ada', 'last', 'ada')).toMatch(/^201/);
    expect(await told(server.ask('DELETE', path, undefined, { 'impersonate-user': 'ada' }))).toMatch(
      /^403 .*deletecollection/,
    );
    expect(await create('ada', 'many', 'ada')).toMatch(/^201/);
    expect(
      await told(
        server.ask('DELETE', `${path}?fieldSelector=metadata.name%3Dmany`, undefined, { 'impersonate-user': 'pat' }),
      ),
    ).toMatch(/^200/);
    expect(await patch(addon, 'last', { suspended: true })).toMatch(/^403 .*the device of ada, and you are .*:addon/);
    expect(await remove(addon, 'last')).toMatch(/^403 .*only its owner/);
    // As when its namespace goes, and when an object goes that an owner reference names.
    expect(await remove(`${kubeSystem}:namespace-controller`, 'last')).toMatch(/^200/);
    expect(await create('ada', 'child', 'ada')).toMatch(/^201/);
    expect(await remove(`${kubeSystem}:generic-garbage-collector`, 'child')).toMatch(/^200/);
  });

  describeAttempts(() => ({
    server,
    upgrade: (...values) =>
      helm(
        'upgrade',
        'sallyport',
        inProject('charts/sallyport'),
        '-n',
        NAMESPACE,
        ...values.flatMap((value) => ['--set', value]),
      ),
  }));

  describeAskedSecrets(() => ({ server, namespace: NAMESPACE, user: OPERATOR, config: config() }));

  test('the rights of each account and role are those that docs/reference/rights.md shows', async () => {
    const rules = async (user: string, namespace: string) => {
      const path = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews';
      const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } };
      const { body } = await server.ask('POST', path, review, { 'impersonate-user': user });
      return (body as { readonly status: { readonly resourceRules: readonly AccessRule[] } }).status.resourceRules;
    };
    const people = ['viewer', 'developer', 'access-editor', 'admin'].map((name) => `sallyport-${name}`);
    for (const role of people)
      await server.ask('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
        metadata: { name: role },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: role }],
      });
    const everybodys = await rules('somebody', 'default');
    const asked = [
      ...[NAMESPACE, 'kube-system', 'default'].map((namespace) => [OPERATOR, namespace] as const),
      ...[NAMESPACE, 'default'].map((namespace) => [AGENT, namespace] as const),
      ...people.map((user) => [user, 'default'] as const),
    ];
    const seen: RightsOf[] = [];
    for (const [user, namespace] of asked)
      seen.push({ user, namespace, rules: await rules(user, namespace), but: everybodys });
    await sameInDocument('docs/reference/rights.md', rightsText(seen));
  });

  test('the agents need a privileged namespace, for these reasons and no others', async () => {
    const { spec } = gatewayDaemonSet(await gateway(), config(), NAMESPACE).spec.template;
    await enforce('baseline');
    // The API server's admission hears of the label a moment later.
    await expect.poll(async () => (await tryPod(spec)).status).toBe(403);
    const { message } = await tryPod(spec);
    expect(message.replace(/^.*violates PodSecurity "baseline:latest": /, '').split(/\), /)).toEqual([
      expect.stringMatching(/^non-default capabilities .*"NET_ADMIN"/),
      expect.stringMatching(/^host namespaces \(hostNetwork=true/),
      expect.stringMatching(/^hostPath volumes \(volumes "sysctls", "tun"/),
      expect.stringMatching(/^hostPort .* 51840, 51841, 9841/),
      expect.stringMatching(/^probe or lifecycle host .*"127\.0\.0\.1"/),
    ]);
    await enforce('privileged');
    await expect.poll(() => tryPod(spec)).toEqual({ status: 201, message: '' });
  });

  test('the operator passes the strictest level', async () => {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/sallyport-operator`;
    const deployment = (await server.ask('GET', path)).body as PodTemplate;
    await enforce('restricted');
    expect(await tryPod(deployment.spec.template.spec)).toEqual({ status: 201, message: '' });
    await enforce('privileged');
  });

  test('the plain manifests say the same', async () => {
    const objects = parseAllDocuments(readFileSync(inProject(INSTALL_MANIFEST), 'utf8'));
    const applying = promisify(execFile)(
      server.kubectl,
      [
        '--kubeconfig',
        server.kubeconfig,
        'apply',
        '--server-side',
        '--force-conflicts',
        '-f',
        inProject(INSTALL_MANIFEST),
      ],
      { env: { ...process.env, KUBECACHEDIR: helmHome } },
    );
    const lines = (await applying).stdout.trim().split('\n');
    expect(lines).toHaveLength(objects.length);
  });

  test('an uninstallation without its clean-up leaves the definitions', async () => {
    await helm('uninstall', 'sallyport', '-n', NAMESPACE, '--no-hooks');
    expect((await server.ask('GET', GATEWAYS)).status).toBe(200);
    expect(
      (await server.ask('GET', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/sallyport-operator`)).status,
    ).toBe(404);
  });
});

/** The status of an answer and what it says. */
async function told(answer: Promise<{ readonly status: number; readonly body: unknown }>): Promise<string> {
  const { status, body } = await answer;
  return `${status} ${(body as Stored).message ?? ''}`;
}

/** Without a priority class: the quota that admits it is counted by the controller manager, which this server has not. */
function config(): OperatorConfig {
  const parsed = parseOperatorConfig('agent: {image: "sallyport:0.1.0", priorityClassName: ""}');
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

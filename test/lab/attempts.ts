import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { meshPeerSpecSchema } from '../../src/api/meshpeer.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import type { RealApiServer } from '../support/real-api-server.ts';

const NAMESPACE = 'attempts';
const GROUP = '/apis/sallyport.dev/v1alpha1';
const PEERS = `${GROUP}/namespaces/${NAMESPACE}/meshpeers`;
const RBAC = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
const SYSTEM = '/api/v1/namespaces/sallyport-system';
const PATCH = { 'content-type': 'application/merge-patch+json' };

/** A value for each field of a MeshPeer's spec, which is another than that of the device that is there. */
const OTHERWISE: Readonly<Record<keyof typeof meshPeerSpecSchema.shape, () => unknown>> = {
  publicKey: aPublicKey,
  nextPublicKey: aPublicKey,
  gateways: () => ['default'],
  addresses: () => ['10.213.0.77'],
  expiresAt: () => '2030-01-31T18:00:00Z',
  suspended: () => true,
  presharedKeySecretName: () => 'borrowed',
  persistentKeepalive: () => 0,
  owner: () => 'heidi',
  groups: () => ['oncall'],
};

type Request = readonly [method: string, path: string, body?: object];

/** What a developer may not do although she may write MeshPeers in her namespace; `grace` is another one there. */
const FORBIDDEN: readonly (readonly [what: string, request: Request])[] = [
  [
    'her own status, which is what agents obey',
    ['PATCH', `${PEERS}/own/status`, { status: { addresses: ['10.213.0.1'] } }],
  ],
  ['a MeshPeer of another namespace', ['POST', `${GROUP}/namespaces/default/meshpeers`, aPeer('elsewhere')]],
  ['MeshPeers of another namespace', ['GET', `${GROUP}/namespaces/default/meshpeers`]],
  ['all MeshPeers at once', ['DELETE', PEERS]],
  ['the gateway', ['PATCH', `${GROUP}/meshgateways/default`, { spec: { access: { default: 'Allow' } } }]],
  ['what a node reports', ['POST', `${GROUP}/namespaces/sallyport-system/meshgatewaynodes`, {}]],
  ['a grant', ['POST', `${GROUP}/namespaces/${NAMESPACE}/meshaccesses`, {}]],
  ['a grant of the cluster', ['POST', `${GROUP}/clustermeshaccesses`, {}]],
  ['the gateway’s key', ['GET', `${SYSTEM}/secrets/sallyport-default`]],
  ['any Secret there', ['GET', `${SYSTEM}/secrets`]],
  ['a Secret of her own namespace', ['GET', `/api/v1/namespaces/${NAMESPACE}/secrets`]],
  ['a token of the operator', ['POST', `${SYSTEM}/serviceaccounts/sallyport-operator/token`, {}]],
  ['a shell in an agent', ['POST', `${SYSTEM}/pods/sallyport-default-x/exec?command=wg`]],
  [
    'the policy about owners',
    ['DELETE', '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/sallyport-owners'],
  ],
  ['more rights', ['POST', `${RBAC}/rolebindings`, aRoleBinding('heidi', 'sallyport-admin')]],
];

/** What people with a role of the chart must not be able to do, on a real API server where the chart is installed. */
export function describeAttempts(
  given: () => { server: RealApiServer; upgrade(...words: readonly string[]): Promise<unknown> },
): void {
  const as = (user: string) => async (method: string, path: string, body?: object) => {
    const headers = { 'impersonate-user': user, ...(method === 'PATCH' ? PATCH : {}) };
    const { status, body: answer } = await given().server.ask(method, path, body, headers);
    return `${status} ${(answer as { readonly message?: string } | undefined)?.message ?? ''}`;
  };
  const [grace, heidi] = [as('grace'), as('heidi')];

  test('grace and heidi are developers of a namespace, each with a device', async () => {
    const { server } = given();
    await server.ask('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    for (const user of ['grace', 'heidi'])
      await server.ask('POST', `${RBAC}/rolebindings`, aRoleBinding(user, 'sallyport-developer'));
    await expect.poll(() => grace('POST', PEERS, aPeer('laptop', { owner: 'grace' }))).toMatch(/^201/);
    expect(await heidi('POST', PEERS, aPeer('own', { owner: 'heidi' }))).toMatch(/^201/);
  });

  test.each(Object.entries(OTHERWISE))('%s of somebody else’s device stays', async (field, value) => {
    const patch = { spec: { [field]: value() } };
    expect(await heidi('PATCH', `${PEERS}/laptop`, patch)).toMatch(/^403 .*the device of grace, and you are heidi/);
  });

  test.each(['labels', 'annotations', 'finalizers', 'ownerReferences'])(
    '%s of somebody else’s device stay, by which grants choose, or which delete it',
    async (field) => {
      const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'a' };
      const value = { finalizers: ['example.com/x'], ownerReferences: [reference] }[field] ?? { team: 'red' };
      const patch = { metadata: { [field]: value } };
      expect(await heidi('PATCH', `${PEERS}/laptop`, patch)).toMatch(/^403 .*the device of grace/);
    },
  );

  test.each(FORBIDDEN)('a developer does not get at %s', async (_what, request) => {
    expect(await heidi(...request)).toMatch(/^403 .*heidi" cannot /);
  });

  test('a status that comes with the object is left out', async () => {
    const status = { addresses: ['10.213.0.1'], conditions: [] };
    expect(await heidi('POST', PEERS, { ...aPeer('forged', { owner: 'heidi' }), status })).toMatch(/^201/);
    const { body } = await given().server.ask('GET', `${PEERS}/forged`);
    expect(body).not.toHaveProperty('status');
  });

  test('nobody names a group that they are not in, and who has left one neither hands it on nor makes it last', async () => {
    const inGroup = (groups: readonly string[], method: string, path: string, body?: object) => {
      const headers = {
        'impersonate-user': 'heidi',
        'impersonate-group': groups.join(),
        ...(method === 'PATCH' ? PATCH : {}),
      };
      return given().server.ask(method, path, body, headers);
    };
    const oncall = { owner: 'heidi', groups: ['oncall'] };
    const pager = (patch: object) => heidi('PATCH', `${PEERS}/pager`, { spec: patch });
    expect(await heidi('POST', PEERS, aPeer('borrower', oncall))).toMatch(
      /^403 .*spec\.groups has oncall, and heidi is not in that group/,
    );
    const ending = { ...oncall, expiresAt: '2030-01-31T18:00:00Z' };
    expect((await inGroup(['oncall'], 'POST', PEERS, aPeer('pager', ending))).status).toBe(201);
    expect(await pager({ groups: ['oncall', 'admins'] })).toMatch(/^403 .*has admins,/);
    expect(await pager({ owner: null })).toMatch(/^422 .*name the owner too/);
    const keeps = /^403 .*has oncall, in which heidi is not any more, so the key of this device stays/;
    for (const patch of [
      { expiresAt: '2090-01-31T18:00:00Z' },
      { expiresAt: null },
      { publicKey: aPublicKey() },
      { nextPublicKey: aPublicKey() },
    ])
      expect(await pager(patch)).toMatch(keeps);
    for (const patch of [
      { suspended: true },
      { expiresAt: '2029-01-31T18:00:00Z' },
      { groups: null, publicKey: aPublicKey() },
    ])
      expect(await pager(patch)).toMatch(/^200/);
    expect(await grace('PATCH', `${PEERS}/laptop`, { spec: { groups: ['oncall'] } })).toMatch(
      /^403 .*has oncall, and grace is not in that group/,
    );
  });

  test('where every device needs an owner, nobody makes, changes or deletes one without, but who may act for owners', async () => {
    expect(await heidi('POST', PEERS, aPeer('nobodys'))).toMatch(/^201/);
    await given().upgrade('policies.owners.required=true');
    // The API server takes a policy up some seconds after it was changed.
    await expect
      .poll(() => heidi('POST', `${PEERS}?dryRun=All`, aPeer('none')), { timeout: 30_000 })
      .toMatch(/^403 .*spec\.owner is empty, and you are heidi: name yourself as spec\.owner/);
    expect(await heidi('PATCH', `${PEERS}/nobodys`, { spec: { owner: 'heidi' } })).toMatch(
      /^403 .*this device has no owner/,
    );
    expect(await heidi('DELETE', `${PEERS}/nobodys`)).toMatch(/^403 .*this device has no owner/);
    expect(await heidi('PATCH', `${PEERS}/own`, { spec: { owner: null } })).toMatch(/^403 .*spec\.owner is empty/);
    expect(await heidi('POST', PEERS, aPeer('grace-2', { owner: 'grace' }))).toMatch(/^403 .*name yourself; only/);
    expect(await heidi('PATCH', `${PEERS}/own`, { spec: { suspended: true } })).toMatch(/^200/);
    expect(await heidi('DELETE', `${PEERS}/own`)).toMatch(/^200/);
    await given().server.ask('POST', `${RBAC}/rolebindings`, aRoleBinding('pat', 'sallyport-admin'));
    await expect.poll(() => as('pat')('PATCH', `${PEERS}/nobodys`, { spec: { owner: 'heidi' } })).toMatch(/^200/);
    expect(await heidi('DELETE', `${PEERS}/nobodys`)).toMatch(/^200/);
    await given().upgrade('policies.owners.required=false');
  });
}

function aPeer(name: string, spec: object = {}): object {
  return {
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshPeer',
    metadata: { name },
    spec: { publicKey: aPublicKey(), ...spec },
  };
}

function aPublicKey(): string {
  return keyPairFrom(randomBytes(32)).publicKey;
}

function aRoleBinding(user: string, role: string): object {
  return {
    metadata: { name: `${user}-${role}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  };
}

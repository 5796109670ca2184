import { beforeAll, describe, expect, test } from 'vitest';
import { HELM, NEEDS_HELM, RELEASE_NAMESPACE, type Rendered, render } from './helm.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Reference {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** The roles for people, to which nobody of ours is bound. */
const FOR_PEOPLE = ['sallyport-viewer', 'sallyport-developer', 'sallyport-access-editor', 'sallyport-admin'];

describe.skipIf(HELM === undefined)(`the rights that the chart gives${NEEDS_HELM}`, () => {
  let objects: readonly Rendered[];
  beforeAll(async () => {
    objects = await render();
  });

  const rolesOf = (kind: 'ClusterRole' | 'Role') =>
    objects.filter((object) => object.kind === kind && !FOR_PEOPLE.includes(object.metadata.name));
  const rulesOf = (role: Rendered) => role.rules as readonly Rule[];
  const lines = (roles: readonly Rendered[]) =>
    roles.flatMap((role) =>
      rulesOf(role).flatMap(({ apiGroups, resources, verbs, resourceNames = [] }) =>
        resources.map(
          (resource) =>
            `${role.metadata.name}${role.metadata.namespace === undefined ? '' : ` in ${role.metadata.namespace}`}: ${verbs.join(' ')} ${[resource, ...apiGroups.filter(Boolean)].join('.')}${resourceNames.map((name) => ` ${name}`).join('')}`,
        ),
      ),
    );

  test('are these in the whole cluster', () => {
    expect(lines(rolesOf('ClusterRole')).sort()).toEqual([
      'sallyport-agent: get list watch clustermeshaccesses.sallyport.dev',
      'sallyport-agent: get list watch meshaccesses.sallyport.dev',
      'sallyport-agent: get list watch meshgateways.sallyport.dev',
      'sallyport-agent: get list watch meshpeers.sallyport.dev',
      'sallyport-agent: get nodes',
      'sallyport-agent: list watch namespaces',
      'sallyport-agent: list watch services',
      'sallyport-cleanup: get list watch delete patch meshgateways.sallyport.dev',
      'sallyport-cleanup: list events.events.k8s.io',
      'sallyport-cleanup: list meshgatewaynodes.sallyport.dev',
      'sallyport-operator: create get patch customresourcedefinitions.apiextensions.k8s.io clustermeshaccesses.sallyport.dev meshaccesses.sallyport.dev meshgatewaynodes.sallyport.dev meshgateways.sallyport.dev meshpeers.sallyport.dev',
      'sallyport-operator: create patch events.events.k8s.io',
      'sallyport-operator: delete act-for-owner meshpeers.sallyport.dev',
      'sallyport-operator: get list watch clustermeshaccesses.sallyport.dev',
      'sallyport-operator: get list watch meshaccesses.sallyport.dev',
      'sallyport-operator: get list watch meshgateways.sallyport.dev',
      'sallyport-operator: get list watch meshpeers.sallyport.dev',
      'sallyport-operator: get list watch namespaces',
      'sallyport-operator: get list watch nodes',
      'sallyport-operator: get list watch servicecidrs.networking.k8s.io',
      'sallyport-operator: list watch services',
      'sallyport-operator: patch meshgateways.sallyport.dev',
      'sallyport-operator: patch update clustermeshaccesses/status.sallyport.dev',
      'sallyport-operator: patch update meshaccesses/status.sallyport.dev',
      'sallyport-operator: patch update meshgateways/status.sallyport.dev',
      'sallyport-operator: patch update meshpeers/status.sallyport.dev',
    ]);
  });

  test('are these in one namespace', () => {
    expect(lines(rolesOf('Role')).sort()).toEqual([
      'sallyport-agent in sallyport-system: get create patch delete leases.coordination.k8s.io',
      'sallyport-agent in sallyport-system: get list watch create patch delete meshgatewaynodes.sallyport.dev',
      'sallyport-agent in sallyport-system: patch meshgatewaynodes/status.sallyport.dev',
      'sallyport-agent-events in default: create patch events.events.k8s.io',
      'sallyport-operator in kube-system: get configmaps kubeadm-config',
      'sallyport-operator in kube-system: get list watch services',
      'sallyport-operator in sallyport-system: create jobs.batch',
      'sallyport-operator in sallyport-system: get list watch create patch daemonsets.apps',
      'sallyport-operator in sallyport-system: get list watch create patch delete services',
      'sallyport-operator in sallyport-system: get list watch create patch secrets',
      'sallyport-operator in sallyport-system: get list watch create update delete leases.coordination.k8s.io',
      'sallyport-operator in sallyport-system: get list watch delete meshgatewaynodes.sallyport.dev',
      'sallyport-operator in sallyport-system: list watch create patch delete dnsendpoints.externaldns.k8s.io',
      'sallyport-operator in sallyport-system: patch pods',
    ]);
  });

  test('to delete expired peers are not given where nobody is to be deleted', async () => {
    const kept = await render({ expiredPeers: { deleteAfter: 'never' } });
    const operator = kept.filter(
      ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'sallyport-operator',
    );
    expect(lines(operator).filter((line) => line.includes('delete'))).toEqual([]);
  });

  const forPeople = (from: readonly Rendered[]) => from.filter(({ metadata }) => FOR_PEOPLE.includes(metadata.name));

  test('that people can be given are for MeshPeers, MeshAccesses and the Events about them', () => {
    expect(lines(forPeople(objects)).sort()).toEqual([
      'sallyport-access-editor: get list events.events.k8s.io',
      'sallyport-access-editor: get list watch create patch update delete deletecollection meshaccesses.sallyport.dev',
      'sallyport-admin: get list events.events.k8s.io',
      'sallyport-admin: get list watch create patch update delete deletecollection act-for-owner meshpeers.sallyport.dev',
      'sallyport-admin: get list watch create patch update delete deletecollection meshaccesses.sallyport.dev',
      'sallyport-developer: get list events.events.k8s.io',
      'sallyport-developer: get list watch create patch update delete meshpeers.sallyport.dev',
      'sallyport-viewer: get list watch meshaccesses.sallyport.dev',
      'sallyport-viewer: get list watch meshpeers.sallyport.dev',
    ]);
  });

  test('that people can be given go to nobody by themselves, but with the built-in roles of a namespace that say as much', async () => {
    const texts = objects.filter(({ kind }) => kind.endsWith('RoleBinding')).map((binding) => JSON.stringify(binding));
    expect(texts.filter((text) => FOR_PEOPLE.some((name) => text.includes(name)))).toEqual([]);
    const aggregated = (from: readonly Rendered[]) =>
      forPeople(from).flatMap(({ metadata }) =>
        Object.keys(metadata.labels ?? {}).flatMap((label) =>
          label.includes('aggregate') ? [`${metadata.name} ${label}`] : [],
        ),
      );
    expect(aggregated(objects)).toEqual([
      'sallyport-viewer rbac.authorization.k8s.io/aggregate-to-view',
      'sallyport-developer rbac.authorization.k8s.io/aggregate-to-admin',
      'sallyport-access-editor rbac.authorization.k8s.io/aggregate-to-admin',
    ]);
    expect(aggregated(await render({ roles: { aggregate: false } }))).toEqual([]);
  });

  test('that people can be given are left out on wish', async () => {
    expect(forPeople(await render({ roles: { create: false } }))).toEqual([]);
  });

  test('have no wildcard', () => {
    const words = [...rolesOf('ClusterRole'), ...rolesOf('Role')].flatMap((role) =>
      rulesOf(role).flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs]),
    );
    expect(words.length).toBeGreaterThan(0);
    expect(words.filter((word) => word.includes('*'))).toEqual([]);
  });

  test('never reach a Secret outside the own namespace, and never from an agent', () => {
    const withSecrets = [...rolesOf('ClusterRole'), ...rolesOf('Role')].filter((role) =>
      rulesOf(role).some(({ resources }) => resources.includes('secrets')),
    );
    expect(withSecrets.map(({ kind, metadata }) => [kind, metadata.namespace, metadata.name])).toEqual([
      ['Role', RELEASE_NAMESPACE, 'sallyport-operator'],
    ]);
  });

  test('go to our own accounts only, each role to the account of its name', () => {
    const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'));
    for (const { kind, metadata, roleRef, subjects } of bindings) {
      expect(roleRef).toMatchObject({ kind: kind.replace('Binding', ''), name: metadata.name });
      expect(subjects as readonly Reference[]).toEqual([
        { kind: 'ServiceAccount', name: metadata.name.replace(/-events$/, ''), namespace: RELEASE_NAMESPACE },
      ]);
    }
    expect(bindings.length).toBe(rolesOf('ClusterRole').length + rolesOf('Role').length);
  });

  test('to delete gateways exist only while the clean-up runs', () => {
    const deleting = [...rolesOf('ClusterRole'), ...rolesOf('Role')].filter((role) =>
      rulesOf(role).some(({ resources, verbs }) => resources.includes('meshgateways') && verbs.includes('delete')),
    );
    expect(deleting.map(({ metadata }) => metadata.name)).toEqual(['sallyport-cleanup']);
    for (const { metadata } of deleting)
      expect(metadata.annotations).toMatchObject({
        'helm.sh/hook': 'pre-delete',
        'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
      });
  });
});

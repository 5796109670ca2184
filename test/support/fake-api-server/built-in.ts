import type { FakeResource } from './storage.ts';

/** The types of a real cluster that Sallyport reads or writes. */
export const BUILT_IN: readonly FakeResource[] = [
  core('ConfigMap', 'configmaps', true, false),
  core('Secret', 'secrets', true, false),
  core('Service', 'services', true),
  core('Pod', 'pods', true),
  core('Node', 'nodes', false),
  core('Namespace', 'namespaces', false),
  core('ServiceAccount', 'serviceaccounts', true, false),
  { group: 'apps', version: 'v1', kind: 'DaemonSet', plural: 'daemonsets', namespaced: true },
  { group: 'batch', version: 'v1', kind: 'Job', plural: 'jobs', namespaced: true },
  {
    group: 'discovery.k8s.io',
    version: 'v1',
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    namespaced: true,
    status: false,
  },
  { group: 'networking.k8s.io', version: 'v1', kind: 'ServiceCIDR', plural: 'servicecidrs', namespaced: false },
  { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', plural: 'leases', namespaced: true, status: false },
  { group: 'events.k8s.io', version: 'v1', kind: 'Event', plural: 'events', namespaced: true, status: false },
];

function core(kind: string, plural: string, namespaced: boolean, status = true): FakeResource {
  return { group: '', version: 'v1', kind, plural, namespaced, status };
}

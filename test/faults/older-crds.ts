import { type Mesh, RELEASE, until } from '../lab/mesh.ts';
import { OPERATOR } from '../lab/operators.ts';
import type { Scene } from './fault.ts';

/** What the CRDs of an older version do not know, by the names of the kinds. */
const LATER = {
  meshpeers: ['spec.persistentKeepalive', 'status.connections', 'status.gatewayKeys'],
  meshgateways: ['spec.takeover', 'status.leavingNodes'],
  meshgatewaynodes: ['status.liveness'],
} as const;
const KEEPALIVE_S = 7;

/** A device whose spec only the present CRDs know. */
const LATER_DEVICE = { namespace: 'demo', name: 'comer-later' };

/** Puts CRDs in place that lack some of the present optional fields, as an older version's do; resolves once the API server goes by them. */
export async function putOlderCrds({ mesh, spare }: Scene): Promise<void> {
  for (const [kind, fields] of Object.entries(LATER)) {
    const patch = JSON.stringify(fields.map((field) => ({ op: 'remove', path: schemaPath(field) })));
    await mesh.cluster.kubectl(['patch', 'crd', `${kind}.sallyport.dev`, '--type=json', '-p', patch]);
  }
  const { namespace, name } = spare.device;
  const field = JSON.stringify({ spec: { persistentKeepalive: KEEPALIVE_S } });
  const tried = ['-n', namespace, 'patch', 'meshpeer', name, '--type=merge', '--dry-run=server', '-p', field];
  await until(
    'a field to be unknown',
    () => mesh.cluster.tryKubectl(tried),
    ({ stderr }) => stderr.includes('unknown field "spec.persistentKeepalive"'),
  );
}

/** What an upgrade does beyond other programs: each pod of the operator is replaced, and who leads then applies its CRDs. */
export async function upgradeCrds({ cluster }: Mesh): Promise<void> {
  const place = ['-n', RELEASE.namespace, 'rollout'];
  await cluster.kubectl([...place, 'restart', `deployment/${OPERATOR}`]);
  await cluster.kubectl([...place, 'status', `deployment/${OPERATOR}`, '--timeout=90s']);
}

/** Expects that a field which only the present CRDs know is taken, and told to the device, and that the device is let in. */
export async function takesLaterField({ mesh }: Scene): Promise<void> {
  await until(
    'the field to be known',
    () => mesh.addDevice(LATER_DEVICE.name, { persistentKeepalive: KEEPALIVE_S }),
    () => true,
  );
  const { status } = await mesh.untilPeer(LATER_DEVICE, 'Programmed');
  if (!status?.config?.includes(`\nPersistentKeepalive = ${KEEPALIVE_S}\n`))
    throw new Error(`the device is not told of its field:\n${status?.config}`);
  await mesh.deleteDevice(LATER_DEVICE);
}

function schemaPath(field: string): string {
  return ['/spec/versions/0/schema/openAPIV3Schema', ...field.split('.')].join('/properties/');
}

import { meshGatewayType } from '../../api/meshgateway.ts';
import { meshGatewayNodeType } from '../../api/meshgatewaynode.ts';
import { meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import type { ClusterFinding, Look } from '../../laptop/doctor/findings.ts';
import type { Profile } from '../../laptop/profile.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { type ClusterOptions, connect } from '../cluster/connect.ts';
import { explained } from '../cluster/explained.ts';
import type { AskedService } from './inside.ts';
import { looked, messageOf, within } from './looked.ts';
import { lastWarning } from './warnings.ts';

const PATIENCE_MS = 3_000;

/** The cluster's side by the kubeconfig; undefined when there is none. What may not be read, or is of another cluster, is not seen. */
export async function lookAtCluster(
  options: ClusterOptions,
  profile: Profile,
  { gateways }: Pick<ClientConfiguration, 'gateways'>,
  service?: AskedService | undefined,
): Promise<Look<ClusterFinding> | undefined> {
  const { NoConnection } = await import('../../k8s/kubeconfig.ts');
  const { kubeconfig, context = kubeconfig === undefined ? profile.context : undefined } = options;
  try {
    // A plugin that fetches credentials may ask the person something, and take as long as it likes.
    const { client, server } = await within(PATIENCE_MS, connect({ kubeconfig, context }, PATIENCE_MS));
    if (server !== profile.server)
      return { kind: 'unseen', why: `the kubeconfig is for ${server}, and this device joined ${profile.server}` };
    const names = gateways.map(({ name }) => name);
    const [found, access] = await Promise.all([
      lookBy(client, profile, names),
      service === undefined ? undefined : looked(() => accessOfService(client, profile, service), whyUnseen),
    ]);
    return { kind: 'seen', value: { server, ...found, ...(access === undefined ? {} : { access }) } };
  } catch (error) {
    if (error instanceof NoConnection && kubeconfig === undefined) return undefined;
    return { kind: 'unseen', why: whyUnseen(error) };
  }
}

async function lookBy(
  client: Client,
  profile: Profile,
  names: readonly string[],
): Promise<Omit<ClusterFinding, 'server'>> {
  const [peer, gateways, nodes, warning] = await Promise.all([
    looked(() => client.get(meshPeerType, profile.peer, profile.namespace), whyUnseen),
    looked(() => Promise.all(names.map((name) => client.get(meshGatewayType, name))), whyUnseen),
    looked(async () => (await client.list(meshGatewayNodeType)).items, whyUnseen),
    looked(() => lastWarning(client, profile), whyUnseen),
  ]);
  const there =
    gateways.kind === 'seen' ? { ...gateways, value: gateways.value.filter((each) => each !== undefined) } : gateways;
  return { peer, gateways: there, nodes, warning };
}

async function accessOfService(client: Client, profile: Profile, { name, port }: AskedService) {
  const [service = '', namespace = ''] = name.split('.');
  const peer = { namespace: profile.namespace, name: profile.peer };
  const asked = { peer, service: { namespace, name: service }, port: String(port) };
  const ports = await explained(client, asked, Date.now());
  return ports.find(({ protocol }) => protocol === 'TCP')?.gateways ?? [];
}

function whyUnseen(error: unknown): string {
  const [first = ''] = messageOf(error).split('\n');
  return `the cluster does not tell: ${first}`;
}

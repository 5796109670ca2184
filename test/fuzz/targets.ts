import { inspect } from 'node:util';
import { ZodError } from 'zod';
import { clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import {
  configMapType,
  daemonSetType,
  leaseType,
  namespaceType,
  nodeType,
  type Secret,
  secretType,
  serviceCidrType,
  serviceType,
} from '../../src/api/core.ts';
import { dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { KEYS_ANNOTATION } from '../../src/api/names.ts';
import { resourcesInText, resourcesOf } from '../../src/cli/commands/plan.ts';
import { UserError } from '../../src/cli/output.ts';
import { parseDefaultRoutes, parseHostAddresses, parseLinks } from '../../src/dataplane/link/parse.ts';
import { parseTable } from '../../src/dataplane/nftables/parse.ts';
import { parseRoutes } from '../../src/dataplane/routes/parse.ts';
import { UnreadableOutput } from '../../src/dataplane/unreadable.ts';
import { parseDump } from '../../src/dataplane/wireguard/parse.ts';
import { DialledReader } from '../../src/host/conntrack-entries.ts';
import { failureFromAnswer, TransportError } from '../../src/k8s/errors.ts';
import { LeaseObservations } from '../../src/k8s/lease.ts';
import { LineSplitter, LineTooLong } from '../../src/k8s/lines.ts';
import { watchEvent } from '../../src/k8s/watch-event.ts';
import { findServiceCidrs } from '../../src/mesh/service-cidrs.ts';
import { parseWgQuick, wgQuick } from '../../src/mesh/wg-quick.ts';
import { parseAddress } from '../../src/net/address.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import { parseEndpoint } from '../../src/net/endpoint.ts';
import { keyFileName, parsePresharedKey, parsePrivateKey, parsePublicKey } from '../../src/net/key.ts';
import type { Parsed } from '../../src/net/parsed.ts';
import { parseOperatorConfig } from '../../src/operator/config.ts';
import { recordIn, recordText } from '../../src/operator/key-record.ts';
import { aGateway } from '../support/builders.ts';
import { judgeForeign, NFT_FOREIGN } from './foreign-rules.ts';
import { kernelTargets } from './kernel-targets.ts';
import { kubeconfigTarget } from './kubeconfig-target.ts';
import { laptopTargets } from './laptop-targets.ts';
import { mutatedText, mutatedValue } from './mutate.ts';
import { namesTargets } from './names-targets.ts';
import { packetTargets } from './packet-targets.ts';
import type { FuzzTarget } from './run.ts';
import {
  CONNTRACK,
  IP_ADDRESSES,
  IP_LINKS,
  IP_ROUTES,
  KEYS,
  KUBEADM,
  NFT_TABLE,
  OBJECTS,
  OPERATOR_CONFIG,
  RESOURCES,
  STATUS,
  WG_DUMP,
  WG_QUICK,
} from './seeds.ts';
import { json, object, oneOf, parsing, refusedWell, taken, text } from './target-kinds.ts';

/** Every parser of text and bytes that come from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  text('wg show dump', [WG_DUMP], UnreadableOutput, (input) => noSecret(() => parseDump(input, () => 'fingerprint'))),
  json('nft list table', NFT_TABLE, UnreadableOutput, (input) => parseTable(input, 'mine')),
  json('nft rules of others', NFT_FOREIGN, UnreadableOutput, judgeForeign),
  json('ip link', IP_LINKS, UnreadableOutput, parseLinks),
  json('ip address', IP_ADDRESSES, UnreadableOutput, parseHostAddresses),
  json('ip route', IP_ROUTES, UnreadableOutput, (input) => parseRoutes(input, 4, 'wg-default')),
  json('ip route default', IP_ROUTES, UnreadableOutput, parseDefaultRoutes),
  text('conntrack', [CONNTRACK], undefined, (input) => new DialledReader().read(input)),
  spelling('address', ['10.213.0.1', 'fd5a:213::1', '::ffff:1.2.3.4'], parseAddress),
  spelling('cidr', ['10.213.0.0/16', 'fd5a:213::/64'], parseCidr),
  spelling('endpoint', ['192.0.2.1:51840', '[2001:db8::1]:51840', 'vpn.example.com:51840'], parseEndpoint),
  spelling('public key', [KEYS.ada.publicKey], parsePublicKey),
  key('private key', parsePrivateKey),
  key('preshared key', parsePresharedKey),
  wgQuickFile(),
  object(meshPeerType, OBJECTS.MeshPeer),
  object(meshGatewayType, OBJECTS.MeshGateway),
  object(meshGatewayNodeType, OBJECTS.MeshGatewayNode),
  object(meshAccessType, OBJECTS.MeshAccess),
  object(clusterMeshAccessType, OBJECTS.ClusterMeshAccess),
  object(nodeType, OBJECTS.Node),
  object(namespaceType, OBJECTS.Namespace),
  object(serviceCidrType, OBJECTS.ServiceCIDR),
  object(configMapType, OBJECTS.ConfigMap),
  object(daemonSetType, OBJECTS.DaemonSet),
  object(dnsEndpointType, OBJECTS.DNSEndpoint),
  object(serviceType, OBJECTS.Service),
  object(secretType, OBJECTS.Secret),
  lease(),
  keyRecord(),
  text('kubeadm configuration', [KUBEADM], undefined, (input) =>
    findServiceCidrs(aGateway(), {
      serviceCidrs: [],
      kubeadmConfig: { data: { ClusterConfiguration: input } } as never,
    }),
  ),
  parsing('operator configuration', [OPERATOR_CONFIG], parseOperatorConfig),
  text('resources in a file', RESOURCES, UserError, (input) => resourcesOf(resourcesInText(input, 'a.yaml'))),
  watchFrames(),
  text('error answer', [JSON.stringify(STATUS), '<html>502</html>'], undefined, (input) =>
    failureFromAnswer({ method: 'GET', path: '/' }, { status: 500, body: input, retryAfter: input.slice(0, 8) }),
  ),
  kubeconfigTarget,
  ...kernelTargets,
  ...laptopTargets,
  ...packetTargets,
  ...namesTargets,
];

/** What is taken has one spelling: parsing that again gives the same. */
function spelling<T extends string>(
  name: string,
  seeds: readonly string[],
  parse: (input: string) => Parsed<T>,
): FuzzTarget {
  return {
    name,
    next: (random) => mutatedText(oneOf(seeds, random), random),
    accepts: (input) => {
      const first = parse(input as string);
      if (!first.ok) return refusedWell(first.problem);
      const second = parse(first.value);
      if (!second.ok || second.value !== first.value) throw new Error(`"${first.value}" does not parse to itself`);
      return true;
    },
  };
}

/** The problem with a secret never tells the secret. */
function key(name: string, parse: (input: string) => Parsed<unknown>): FuzzTarget {
  return {
    name,
    next: (random) => mutatedText(KEYS.psk.privateKey, random),
    accepts: (input) => {
      const result = parse(input as string);
      if (result.ok) return true;
      if (result.problem.includes((input as string).slice(0, 12)) && (input as string).length >= 12)
        throw new Error(`the problem quotes the key: ${result.problem}`);
      return refusedWell(result.problem);
    },
  };
}

/** What is taken can be written and read again, and no problem tells a key; the first line of the file is nobody's secret. */
function wgQuickFile(): FuzzTarget {
  return {
    name: 'wg-quick file',
    // Most changes are refused at once, and a short look must get behind that.
    next: (random) => (random() < 0.1 ? oneOf(WG_QUICK, random) : mutatedText(oneOf(WG_QUICK, random), random)),
    accepts: (input) => {
      const first = parseWgQuick(input as string);
      if (!first.ok) {
        if (first.problem.includes(KEYS.ada.privateKey.slice(0, 12)))
          throw new Error(`it tells a key: ${first.problem}`);
        return refusedWell(first.problem);
      }
      const written = wgQuick(first.value);
      const second = parseWgQuick(written);
      if (!second.ok || wgQuick(second.value) !== written) throw new Error(`this does not parse to itself: ${written}`);
      return true;
    },
  };
}

/** A lease that is read lives for a time that is a number, and never for less than none. */
function lease(): FuzzTarget {
  return {
    name: 'Lease',
    next: (random) => mutatedValue(OBJECTS.Lease, random),
    accepts: (input) =>
      taken(ZodError, () => {
        const observations = new LeaseObservations();
        const read = leaseType.parse(input);
        observations.observe(read, 1_000);
        const remaining = observations.remainingMs(read, 2_000);
        if (!(remaining >= 0)) throw new Error(`a lease lives for another ${remaining} ms`);
      }),
  };
}

/** A record that is read can be written and read again. */
function keyRecord(): FuzzTarget {
  const { publicKey, privateKey } = KEYS.ada;
  const data = { [keyFileName(publicKey)]: Buffer.from(privateKey).toString('base64') };
  const secret = (annotation: string): Secret => ({
    ...secretType.parse(OBJECTS.Secret),
    metadata: { ...secretType.parse(OBJECTS.Secret).metadata, annotations: { [KEYS_ANNOTATION]: annotation } },
    data,
  });
  const held = { current: { publicKey, slot: 1 as const } };
  return {
    name: 'record of keys',
    next: (random) => mutatedText(recordText({ held, request: 'november' }), random),
    accepts: (input) => {
      const first = recordIn(secret(input as string));
      if (first === undefined) return false;
      const second = recordIn(secret(recordText(first)));
      if (second === undefined || recordText(second) !== recordText(first)) throw new Error('it does not read itself');
      return true;
    },
  };
}

/** Lines of a watch in chunks that end anywhere; what a line holds is an event, or a refusal of that line. */
function watchFrames(): FuzzTarget {
  const event = (type: string, of: unknown) => JSON.stringify({ type, object: of });
  const bookmark = { metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } } };
  const stream = [event('ADDED', OBJECTS.MeshPeer), event('BOOKMARK', bookmark), event('ERROR', STATUS), ''].join('\n');
  return {
    name: 'watch',
    next: (random) => ({ text: mutatedText(stream, random), cut: Math.floor(random() * stream.length) }),
    accepts: (input) => {
      const { text: all, cut } = input as { readonly text: string; readonly cut: number };
      let good = 0;
      const lines = new LineSplitter((line) => {
        if (taken(TransportError, () => watchEvent(meshPeerType, line))) good += 1;
      });
      const bytes = Buffer.from(all);
      taken(LineTooLong, () => {
        lines.push(bytes.subarray(0, cut));
        lines.push(bytes.subarray(cut));
      });
      if (lines.rest > bytes.length) throw new Error('more is held than came');
      return good > 0;
    },
  };
}

/** The private key in a dump stands in no result and in no error. */
function noSecret(parse: () => unknown): void {
  const secret = KEYS.gateway.privateKey.slice(0, 20);
  const told = (text: string) => {
    if (text.includes(secret)) throw new TypeError('a private key was told');
  };
  try {
    told(inspect(parse(), { depth: 9 }));
  } catch (error) {
    told(inspect(error));
    throw error;
  }
}

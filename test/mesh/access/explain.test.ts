import { describe, expect, test } from 'vitest';
import { serviceType } from '../../../src/api/core.ts';
import { type MeshAccess, meshAccessType } from '../../../src/api/meshaccess.ts';
import type { MeshGateway } from '../../../src/api/meshgateway.ts';
import { explainAccess } from '../../../src/mesh/access/explain.ts';
import { accessWorld } from '../../../src/mesh/access/world.ts';
import { accessCrowd } from '../../support/access-crowd.ts';
import { aGateway, aMember, aNamespace, aPeer, aServedGateway, NOW, type PeerParts } from '../../support/builders.ts';

const DENY = aServedGateway({
  spec: { access: { default: 'Deny' } },
  status: { dns: { servers: ['10.96.0.10'], domain: 'c' } },
});
const HTTP = { name: 'http', port: 80, protocol: 'TCP' };

function aService(clusterIPs: readonly string[] = ['10.96.0.20']) {
  return serviceType.parse({ metadata: { name: 'web', namespace: 'shop' }, spec: { clusterIPs, ports: [HTTP] } });
}

function anAccess(name: string, spec: object): MeshAccess {
  const object = { apiVersion: 'sallyport.dev/v1alpha1', kind: 'MeshAccess', metadata: { name, namespace: 'shop' } };
  return meshAccessType.parse({
    ...object,
    spec: { from: [{ namespaces: { names: ['team-a'] } }], to: [{}], ...spec },
  });
}

interface Parts {
  readonly peer?: PeerParts;
  readonly clusterIPs?: readonly string[];
  readonly port?: typeof HTTP;
  readonly accesses?: readonly MeshAccess[];
  readonly gateway?: MeshGateway;
}

function answer({ peer: parts, clusterIPs, port = HTTP, accesses = [], gateway = DENY }: Parts = {}) {
  const peer = aMember(parts);
  const service = aService(clusterIPs);
  const world = accessWorld({ namespaces: [aNamespace()], peers: [peer], services: [service] });
  return explainAccess({ peer, service, port }, { gateways: [gateway], accesses, world, now: NOW })[0];
}

/** What is said of the oldest and of the newest of more devices than a grant may open a Service to. */
function crowd() {
  const { peers, service, access, namespaces } = accessCrowd();
  const world = accessWorld({ namespaces, peers, services: [service] });
  const objects = { gateways: [DENY], accesses: [access], world, peers, now: NOW };
  const [port] = service.spec.ports;
  const ask = (peer = aMember()) => port && explainAccess({ peer, service, port }, objects)[0];
  return { oldest: ask(peers[0]), newest: ask(peers.at(-1)) };
}

describe('yes, because', () => {
  test('grants say so, all of which are named', () => {
    expect(answer({ accesses: [anAccess('one', {}), anAccess('two', { to: [{ names: ['web'] }] })] })).toEqual({
      gateway: 'default',
      isAllowed: true,
      because: 'Granted by MeshAccess shop/one, MeshAccess shop/two.',
      objects: ['MeshAccess shop/one', 'MeshAccess shop/two'],
    });
  });

  test('there is room for this one, though not for all', () => {
    const { oldest } = crowd();
    expect(oldest).toMatchObject({ isAllowed: true, because: 'Granted by MeshAccess shop/all.' });
  });

  test('the gateway allows', () => {
    expect(answer({ gateway: aServedGateway() })).toMatchObject({ isAllowed: true, objects: ['MeshGateway default'] });
  });

  test('it is cluster DNS', () => {
    const dns = { clusterIPs: ['10.96.0.10'], port: { name: 'dns', port: 53, protocol: 'UDP' } };
    expect(answer(dns)).toMatchObject({ isAllowed: true, because: 'Cluster DNS is open to every device.' });
  });
});

describe('no, because', () => {
  test.each<[string, Parts, RegExp]>([
    ['nobody granted it, and whom to ask', {}, /^Denied by policy: .*ask the owner of namespace shop\.$/],
    [
      'a grant opens another port',
      { accesses: [anAccess('near', { to: [{ ports: [{ number: 80 }] }] })], port: { ...HTTP, port: 81 } },
      /MeshAccess shop\/near opens other ports of it \(80\)/,
    ],
    ['a grant is for others', { accesses: [anAccess('near', { from: [{ owners: ['eve'] }] })] }, /to other devices/],
    [
      'a grant has ended',
      { accesses: [anAccess('near', { expiresAt: '2026-08-01T12:00:00Z' })] },
      /has ended \(2026-08/,
    ],
    ['a grant is for another gateway', { accesses: [anAccess('near', { gateways: ['office'] })] }, /other gateways/],
    ['the Service is headless', { clusterIPs: ['None'] }, /no cluster IP/],
    ['the gateway does not lead there', { clusterIPs: ['192.0.2.1'] }, /does not lead to 192\.0\.2\.1/],
    ['the device is suspended', { peer: { spec: { suspended: true } } }, /suspended/],
    ['the device has expired', { peer: { spec: { expiresAt: '2026-08-01T12:00:00Z' } } }, /expired/],
    [
      'the device is for another gateway',
      { peer: { status: { gateways: ['office'] } } },
      /not for MeshGateway default/,
    ],
    ['the gateway is not accepted', { gateway: aGateway() }, /not accepted/],
  ])('%s', (_why, parts, because) => {
    expect(answer(parts)).toMatchObject({ isAllowed: false, because: expect.stringMatching(because) });
  });

  test('there is no room for all that a grant means, and it is one of the newest', () => {
    expect(crowd().newest).toMatchObject({
      isAllowed: false,
      because: expect.stringMatching(
        /^MeshAccess shop\/all would grant it, but there is no room .* GrantsOpened of MeshGateway default/,
      ),
      objects: ['MeshAccess shop/all', 'MeshGateway default'],
    });
  });

  test('the operator has not decided about the device', () => {
    const peer = aPeer();
    const world = accessWorld({ namespaces: [], peers: [peer], services: [aService()] });
    const objects = { gateways: [DENY], accesses: [], world, now: NOW };
    expect(explainAccess({ peer, service: aService(), port: HTTP }, objects)[0]).toMatchObject({
      isAllowed: false,
      because: expect.stringContaining('has not decided'),
      objects: ['MeshPeer team-a/ada'],
    });
  });
});

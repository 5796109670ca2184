import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serviceType } from '../../src/api/core.ts';
import { dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import { AGENT_SERVICE, balancerHealth } from './balancer-health.ts';
import { agentOf } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';
import type { LabNode } from './node.ts';
import { messageOf } from './two-devices.ts';

/** Where the balancer in front of the cluster would be reached. */
const BALANCER = '198.51.100.7';
/** A frozen agent misses two probes of its kubelet, 5 s apart and of 5 s each; kube-proxy hears of it from the API server. */
const UNREADY_WITHIN_S = 40;
/** A Lease lasts 40 s, and a node is left in DNS for 30 s more. */
const WITHDRAWN_WITHIN_S = 110;

/** As much of external-dns' definition as a DNSEndpoint needs. */
const DNS_ENDPOINTS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `${dnsEndpointType.plural}.${dnsEndpointType.group}`,
    annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/external-dns/pull/2007' },
  },
  spec: {
    group: dnsEndpointType.group,
    scope: 'Namespaced',
    names: { kind: dnsEndpointType.kind, plural: dnsEndpointType.plural, singular: 'dnsendpoint' },
    versions: [
      {
        name: dnsEndpointType.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  endpoints: {
                    type: 'array',
                    items: {
                      type: 'object',
                      properties: {
                        dnsName: { type: 'string' },
                        recordType: { type: 'string' },
                        recordTTL: { type: 'integer', format: 'int64' },
                        targets: { type: 'array', items: { type: 'string' } },
                      },
                    },
                  },
                },
              },
              status: { type: 'object', properties: { observedGeneration: { type: 'integer', format: 'int64' } } },
            },
          },
        },
      },
    ],
  },
};

let mesh: Mesh;
let ada: Device;
let laptop: Laptop;
let one: LabNode;
let two: LabNode;
const measured: string[] = [];

beforeAll(async () => {
  mesh = await startMesh('entry');
  [one, two] = [mesh.cluster.node('node-1'), mesh.cluster.node('node-2')];
  laptop = await mesh.cluster.addLaptop('ada');
  ada = await mesh.addDevice('ada');
});

afterAll(async () => {
  await mesh?.cluster.stop();
  console.log(measured.join('\n'));
});

const configOf = async () => (await mesh.peer(ada)).status?.config ?? '';
const untilDials = (endpoint: string) =>
  until(`${endpoint} in the configuration`, configOf, (config) => config.includes(`\nEndpoint = ${endpoint}\n`));
const agentsOf = ({ status }: MeshGateway) =>
  status?.endpoints?.map(({ endpoint, agent }) => `${endpoint} ${agent}`) ?? [];
const untilAgents = (what: string, expected: readonly string[], seconds?: number) =>
  until(
    what,
    () => mesh.gateway(),
    (gateway) => agentsOf(gateway).join() === expected.join(),
    seconds,
  );
const service = async () =>
  serviceType.parse(await mesh.cluster.get(`/api/v1/namespaces/${RELEASE.namespace}/services/${AGENT_SERVICE}`));

/** Dials as the configuration says and asks a Service, until this node tells of the laptop, by the laptop's own address and port. */
async function dialledAt(node: string) {
  await mesh.join(laptop, ada);
  const hello = () => curl(laptop, 'http://hello-node-1.demo');
  await until('an answer', hello, ({ status }) => status === 200);
  const port = must(await laptop.exec(['wg', 'show', 'mesh', 'listen-port'])).trim();
  await until(
    `a connection to ${node}`,
    async () => (await mesh.peer(ada)).status?.connections ?? [],
    (all) => all.some((seen) => seen.node === node && seen.endpoint === `${laptop.address}:${port}`),
  );
  await mesh.leave(laptop);
}

/** What a load balancer is told of a node. */
const health = (node: LabNode) => balancerHealth(mesh, node, one);

test('a node behind a router that forwards another port says so, and devices come that way', async () => {
  await untilAgents('both nodes', ['172.30.0.11:51840 Serving', '172.30.0.12:51840 Serving']);
  // What the router in front of the node does.
  const rule =
    'add table ip router; add chain ip router in { type nat hook prerouting priority dstnat - 10; }; add rule ip router in udp dport 4500 redirect to :51840';
  must(await two.exec(['nft', rule]));
  await mesh.cluster.kubectl(['annotate', 'node', 'node-2', 'sallyport.dev/endpoint=172.30.0.12:4500']);
  await untilDials('172.30.0.12:4500');
  await dialledAt('node-2');
  await mesh.cluster.kubectl(['annotate', 'node', 'node-2', '--overwrite', 'sallyport.dev/endpoint=172.30.0.12 4500']);
  const wrong = await mesh.untilGateway('default', 'EndpointsFound', 'False', 'InvalidAnnotation');
  expect(messageOf(wrong, 'EndpointsFound')).toMatch(/sallyport\.dev\/endpoint of Node node-2: "172\.30\.0\.12 4500"/);
  await mesh.untilGateway('default', 'Ready');
  await mesh.cluster.kubectl(['annotate', 'node', 'node-2', 'sallyport.dev/endpoint-']);
  await mesh.untilGateway('default', 'EndpointsFound');
  must(await two.exec(['nft', 'delete', 'table', 'ip', 'router']));
});

describe('a Service of type LoadBalancer', () => {
  beforeAll(async () => {
    await mesh.patchGateway('default', { endpoint: { service: { type: 'LoadBalancer' } } });
    await mesh.untilGateway('default', 'EndpointsFound', 'False', 'WaitingForService');
    // What a cloud's controller does.
    const ingress = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: BALANCER }] } } });
    const place = ['-n', RELEASE.namespace, 'patch', 'service', AGENT_SERVICE, '--subresource=status'];
    await mesh.cluster.kubectl([...place, '--type=merge', '-p', ingress]);
    await untilDials(`${BALANCER}:51840`);
  });

  test.each(['node-1', 'node-2'])('brings devices to the agent of %s, which sees their own address', async (name) => {
    const { address } = mesh.cluster.node(name);
    must(await laptop.exec(['ip', 'route', 'replace', BALANCER, 'via', address]));
    await dialledAt(name);
  });

  test('is told of a node that it has a ready agent, and that it has none', async () => {
    for (const node of [one, two]) expect(await health(node)).toEqual({ status: 200, agents: 1 });
    const agent = (await agentOf(two)) ?? '';
    must(await two.exec(['kill', '-STOP', agent]));
    const frozen = performance.now();
    try {
      await until(
        '503',
        () => health(two),
        ({ status }) => status === 503,
        UNREADY_WITHIN_S,
      );
      measured.push(
        `agent frozen: 503 from the health check node port after ${Math.round(performance.now() - frozen)} ms`,
      );
      expect(await health(two)).toEqual({ status: 503, agents: 0 });
      expect(await health(one)).toEqual({ status: 200, agents: 1 });
    } finally {
      must(await two.exec(['kill', '-CONT', agent]));
    }
    const thawed = performance.now();
    await until(
      '200',
      () => health(two),
      ({ status }) => status === 200,
      UNREADY_WITHIN_S,
    );
    measured.push(`agent thawed: 200 after ${Math.round(performance.now() - thawed)} ms`);
    expect(agentsOf(await mesh.gateway())).toEqual([`${BALANCER}:51840 Serving`]);
  });
});

test('a Service of type NodePort is reached at every node; a port that the API server refuses is told', async () => {
  await mesh.patchGateway('default', { endpoint: { service: { type: 'NodePort', nodePort: 1 } } });
  const refused = await mesh.untilGateway('default', 'EndpointsFound', 'False', 'ServiceRefused');
  expect(messageOf(refused, 'EndpointsFound')).toMatch(/spec\.endpoint\.service: .*nodePort.*valid ports/);
  await mesh.patchGateway('default', { endpoint: { service: { nodePort: 30840 } } });
  await untilDials('172.30.0.11:30840');
  // The kernel goes on with a flow of datagrams as it began, so whoever dials before kube-proxy knows the port never gets through.
  await until(
    'kube-proxy to know the port',
    async () => must(await one.exec(['nft', 'list', 'ruleset'])),
    (rules) => rules.includes(' 30840'),
  );
  expect((await service()).spec.type).toBe('NodePort');
  await dialledAt('node-1');
});

describe('names in DNS', () => {
  const records = async () => {
    const path = 'jsonpath={range .items[*]}{.spec.endpoints}{end}';
    const text = await mesh.cluster.kubectl(['-n', RELEASE.namespace, 'get', 'dnsendpoints', '-o', path]);
    return text === '' ? [] : (JSON.parse(text) as readonly object[]);
  };
  const leadTo = (...targets: readonly string[]) => [
    { dnsName: 'vpn.example.com', recordType: 'A', recordTTL: 60, targets },
  ];

  test('wait for external-dns, whose definition may come later, and are told to devices then', async () => {
    await mesh.patchGateway('default', { endpoint: { service: null, dns: { hostnames: ['vpn.example.com'] } } });
    await mesh.untilGateway('default', 'EndpointsFound', 'False', 'DNSNotServed');
    await untilDials('172.30.0.11:51840');
    await mesh.apply(DNS_ENDPOINTS);
    const began = performance.now();
    await until(
      'the DNSEndpoint',
      () => records().catch(() => []),
      (found) => found.length > 0,
      90,
    );
    measured.push(`DNSEndpoint made ${Math.round(performance.now() - began)} ms after its definition`);
    expect(await records()).toEqual(leadTo('172.30.0.11', '172.30.0.12'));
    await mesh.untilGateway('default', 'EndpointsFound', 'False', 'WaitingForDNS');
    // What external-dns does once it has read the object.
    const taken = JSON.stringify({ status: { observedGeneration: 1 } });
    const place = ['-n', RELEASE.namespace, 'patch', 'dnsendpoint', AGENT_SERVICE, '--subresource=status'];
    await mesh.cluster.kubectl([...place, '--type=merge', '-p', taken]);
    await untilDials('vpn.example.com:51840');
    await mesh.untilGateway('default', 'EndpointsFound');
  });

  test('leave a node that loses power, whose endpoint stays where it was, and no configuration changes', async () => {
    const before = await configOf();
    await two.kill();
    const killed = performance.now();
    await untilAgents(
      'the silent agent',
      ['vpn.example.com:51840 Serving', '172.30.0.11:51840 Serving', '172.30.0.12:51840 NotServing'],
      WITHDRAWN_WITHIN_S,
    );
    measured.push(`power failure: told of the endpoint after ${Math.round(performance.now() - killed)} ms`);
    await until(
      'the records',
      records,
      (found) => JSON.stringify(found).includes('["172.30.0.11"]'),
      WITHDRAWN_WITHIN_S,
    );
    measured.push(`power failure: out of DNS after ${Math.round(performance.now() - killed)} ms`);
    expect(await records()).toEqual(leadTo('172.30.0.11'));
    expect(await configOf()).toBe(before);
  }, 240_000);

  test('go when nobody asks for them any more', async () => {
    await mesh.patchGateway('default', { endpoint: { dns: null } });
    await until('no DNSEndpoint', records, (found) => found.length === 0);
    await untilDials('172.30.0.11:51840');
  });
});

import { describe, expect, test } from 'vitest';
import { annotationWithOwnPort, nodeEndpoints } from '../../src/mesh/node-endpoints.ts';
import { aNode } from '../support/builders.ts';

const PORTS = { own: 51840, first: 51840 };
/** Those of the gateway's second key. */
const SECOND = { own: 51841, first: 51840 };

const ADDRESSES = [
  { type: 'InternalIP', address: '192.0.2.1' },
  { type: 'InternalIP', address: '2001:db8::1' },
  { type: 'ExternalIP', address: '203.0.113.1' },
];

const annotated = (text: string, name = 'a') =>
  aNode(name, { annotations: { 'sallyport.dev/endpoint': text }, addresses: ADDRESSES });

const told = (text: string, ports = PORTS) =>
  nodeEndpoints([annotated(text)], ports).endpoints.map(({ endpoint, address }) => `${address} ${endpoint}`);

describe('an annotation', () => {
  test.each<[string, string, readonly string[]]>([
    [
      'with an address takes the place of the addresses of its family',
      '198.51.100.7',
      ['Annotation 198.51.100.7:51840', 'InternalIP [2001:db8::1]:51840'],
    ],
    [
      'with an IPv6 address leaves those of IPv4',
      '2001:db8::7',
      ['Annotation [2001:db8::7]:51840', 'ExternalIP 203.0.113.1:51840', 'InternalIP 192.0.2.1:51840'],
    ],
    [
      'with one of each family takes the place of all',
      '198.51.100.7, [2001:db8::7]:443',
      ['Annotation 198.51.100.7:51840', 'Annotation [2001:db8::7]:443'],
    ],
    ['with a name takes the place of all', 'home.example.com', ['Annotation home.example.com:51840']],
    [
      'with a forwarded port is reached there',
      '198.51.100.7:4500',
      ['Annotation 198.51.100.7:4500', 'InternalIP [2001:db8::1]:51840'],
    ],
    [
      'with two addresses of one family keeps their order',
      '198.51.100.7:4500,192.0.2.1',
      ['Annotation 198.51.100.7:4500', 'Annotation 192.0.2.1:51840', 'InternalIP [2001:db8::1]:51840'],
    ],
    [
      'that says nothing changes nothing',
      ' , ',
      ['ExternalIP 203.0.113.1:51840', 'InternalIP 192.0.2.1:51840', 'InternalIP [2001:db8::1]:51840'],
    ],
  ])('%s', (_what, text, expected) => {
    expect(told(text)).toEqual(expected);
  });

  test('goes before the addresses of other nodes, whatever their names', () => {
    const nodes = [aNode('a', { addresses: ADDRESSES }), annotated('198.51.100.7', 'z')];
    expect(nodeEndpoints(nodes, PORTS).endpoints[0]).toEqual({
      endpoint: '198.51.100.7:51840',
      nodes: ['z'],
      address: 'Annotation',
    });
  });

  test('that nodes share is one endpoint, with all of them behind it', () => {
    const nodes = [annotated('198.51.100.7', 'b'), annotated('198.51.100.7,198.51.100.7', 'a')];
    expect(nodeEndpoints(nodes, PORTS).endpoints).toContainEqual({
      endpoint: '198.51.100.7:51840',
      nodes: ['a', 'b'],
      address: 'Annotation',
    });
  });

  test.each<[string, string, readonly string[]]>([
    ['the first port means that of the second key', '198.51.100.7:51840', ['Annotation 198.51.100.7:51841']],
    [
      'no port means that of the second key',
      '[2001:db8::7]:51840,198.51.100.7',
      ['Annotation [2001:db8::7]:51841', 'Annotation 198.51.100.7:51841'],
    ],
    ['a port of its own is not known for the second key', '198.51.100.7:4500', []],
  ])('on the port of the second key: %s', (_what, text, expected) => {
    expect(told(text, SECOND).filter((one) => one.startsWith('Annotation'))).toEqual(expected);
  });

  test('with a port of its own is found, and one with the first port is not', () => {
    expect(annotationWithOwnPort([annotated('198.51.100.7:51840,home.example.com')], 51840)).toBeUndefined();
    expect(annotationWithOwnPort([annotated('198.51.100.7, [2001:db8::7]:4500')], 51840)).toBe('[2001:db8::7]:4500');
  });
});

describe('a mistake on a Node names the Node and the remedy, and costs nothing else', () => {
  const problems = (...of: Parameters<typeof nodeEndpoints>) => nodeEndpoints(...of).problems;

  test.each(['bad host', '198.51.100.7:0', '198.51.100.300', 'fd00::1:51840:x'])('an annotation with %j', (text) => {
    expect(problems([annotated(text)], PORTS)).toEqual([
      {
        reason: 'InvalidAnnotation',
        message: expect.stringMatching(/sallyport\.dev\/endpoint of Node a: ".*HOST:PORT/),
      },
    ]);
    expect(told(`${text},198.51.100.7`)).toEqual(['Annotation 198.51.100.7:51840', 'InternalIP [2001:db8::1]:51840']);
    expect(told(text)).toEqual([
      'ExternalIP 203.0.113.1:51840',
      'InternalIP 192.0.2.1:51840',
      'InternalIP [2001:db8::1]:51840',
    ]);
  });

  test('a port that does not lead to the second key', () => {
    expect(problems([annotated('198.51.100.7:4500')], SECOND)).toEqual([
      {
        reason: 'SecondPortUnknown',
        message: expect.stringMatching(/Node a has 198\.51\.100\.7:4500.*spec\.keyRotation\.hosts/),
      },
    ]);
  });

  test('an address in its status that is none', () => {
    const node = aNode('a', { addresses: [{ type: 'InternalIP', address: '192.0.2.01' }, ...ADDRESSES] });
    const found = nodeEndpoints([node], PORTS);
    expect(found.problems).toEqual([
      {
        reason: 'InvalidAddress',
        message: expect.stringMatching(/Node a has "192\.0\.2\.01" as InternalIP.*sallyport\.dev\/endpoint/),
      },
    ]);
    expect(found.endpoints).toHaveLength(3);
  });
});

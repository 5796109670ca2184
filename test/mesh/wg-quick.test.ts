import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ClientConfiguration, type ClientGateway, EVERYTHING } from '../../src/mesh/client-configuration.ts';
import { configurationUrl, parseWgQuick, wgQuick } from '../../src/mesh/wg-quick.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { type Endpoint, endpointOf } from '../../src/net/endpoint.ts';
import { addresses, addressesOf, cidrs, value } from '../net/arbitraries.ts';
import { aKey } from '../support/builders.ts';

const names = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const domains = fc.array(names, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
const ports = fc.integer({ min: 1, max: 65535 });
const endpoints: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.tuple(addresses, ports).map(([address, port]) => endpointOf(address, port)),
  fc.tuple(domains, ports).map(([host, port]) => `${host}.example.com:${port}` as Endpoint),
);

/** A gateway without what it must not share with another one. */
const halves = fc.record({
  addresses: fc.uniqueArray(addresses, { maxLength: 2 }),
  endpoints: fc.uniqueArray(endpoints, { minLength: 1, maxLength: 6 }),
  offers: fc.tuple(fc.boolean(), fc.boolean()),
  deniesByDefault: fc.boolean(),
});

const gateways: fc.Arbitrary<readonly ClientGateway[]> = fc
  .tuple(fc.uniqueArray(names, { minLength: 1, maxLength: 4 }), fc.uniqueArray(cidrs, { minLength: 4, maxLength: 9 }))
  .chain(([own, ranges]) =>
    fc.tuple(...own.map(() => halves)).map((parts) =>
      parts.map(({ offers, ...part }, index) => ({
        ...part,
        name: own[index] ?? '',
        publicKey: aKey(`gateway ${own[index]}`),
        allowedIPs: ranges.filter((_, place) => place % own.length === index),
        // Of each family one gateway takes everything, or none does.
        internet: EVERYTHING.filter((_, family) => offers[family] === true && index === (family + own.length) % 2),
      })),
    ),
  );

const configurations: fc.Arbitrary<ClientConfiguration> = fc.record({
  peer: fc.tuple(names, domains).map(([namespace, name]) => `${namespace}/${name}`),
  addresses: fc
    .tuple(addressesOf(4), addressesOf(6), fc.integer({ min: 1, max: 3 }))
    .map(([four, six, which]) => [...(which === 2 ? [] : [four]), ...(which === 1 ? [] : [six])]),
  mtu: fc.option(fc.integer({ min: 0, max: 65535 }), { nil: undefined }),
  dns: fc.option(fc.record({ servers: fc.array(addresses, { minLength: 1, maxLength: 3 }), domain: domains }), {
    nil: undefined,
  }),
  hasPresharedKey: fc.boolean(),
  persistentKeepalive: fc.integer({ min: 0, max: 65535 }),
  gateways,
});

const EXAMPLE: ClientConfiguration = {
  peer: 'team-a/ada',
  addresses: ['10.213.0.20', 'fd5a::20'] as IpAddress[],
  mtu: 1420,
  dns: { servers: ['10.96.0.10'] as IpAddress[], domain: 'cluster.local' },
  hasPresharedKey: false,
  persistentKeepalive: 25,
  gateways: [
    {
      name: 'default',
      publicKey: aKey('gateway default'),
      addresses: ['10.213.0.1', 'fd5a::1'] as IpAddress[],
      allowedIPs: ['10.96.0.0/12', '10.213.0.1/32'] as Cidr[],
      internet: [],
      deniesByDefault: false,
      endpoints: ['vpn.example.com:51840', '[2001:db8::1]:51840'] as Endpoint[],
    },
  ],
};
const TEXT = wgQuick(EXAMPLE);
const SECRET = aKey('private');
/** What a piece of a key may look like. */
const LETTERS = 'AgICAgICAgICAgICAgICAgIC';

function problemOf(text: string): string {
  const result = parseWgQuick(text);
  if (result.ok) throw new Error('the text was taken');
  return result.problem;
}

describe('a configuration as a wg-quick file', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(configurations, (configuration) => {
        expect(value(parseWgQuick(wgQuick(configuration)))).toEqual(configuration);
      }),
      { numRuns: 300 },
    );
  });

  test('says in comments what wg-quick has no words for', () => {
    expect(
      TEXT.split('\n')
        .filter((line) => line.startsWith('#'))
        .slice(2),
    ).toEqual([
      '# MeshGateway default, which gives this device its current configuration at http://10.213.0.1:51840/ and http://[fd5a::1]:51840/',
      '# Endpoints: vpn.example.com:51840, [2001:db8::1]:51840',
    ]);
  });

  test('tells what a gateway takes of a device that wants a full tunnel, where wg-quick does not look', () => {
    const [gateway] = EXAMPLE.gateways;
    const offering = { ...EXAMPLE, gateways: [{ ...(gateway as ClientGateway), internet: EVERYTHING }] };
    const text = wgQuick(offering);
    expect(text).toContain('\n# Full tunnel: 0.0.0.0/0, ::/0\n# Endpoints: ');
    expect(text.replace(/^# Full tunnel.*\n/m, '')).toBe(TEXT);
    expect(value(parseWgQuick(text))).toEqual(offering);
  });

  test('tells that a gateway denies by default, by which a device knows why it is refused', () => {
    const [gateway] = EXAMPLE.gateways;
    const denying = { ...EXAMPLE, gateways: [{ ...(gateway as ClientGateway), deniesByDefault: true }] };
    const text = wgQuick(denying);
    expect(text.replace(/^# Denies by default: .*\n/m, '')).toBe(TEXT);
    expect(value(parseWgQuick(text))).toEqual(denying);
  });

  test('is asked for at the mesh address of a gateway', () => {
    expect(configurationUrl('fd5a::1' as IpAddress)).toBe('http://[fd5a::1]:51840/');
  });
});

describe('what people and other tools do to the file', () => {
  test.each([
    ['a private key in place of the line that reads it', TEXT.replace(/^PostUp.*$/m, `PrivateKey = ${SECRET}`)],
    ['lines as Windows ends them', TEXT.replaceAll('\n', '\r\n')],
    ['comments of a later version', TEXT.replace('[Peer]', '# Relays: wss://example.com\n[Peer]')],
    ['no line at the end', TEXT.trim()],
  ])('%s', (_what, text) => {
    expect(value(parseWgQuick(text))).toEqual(EXAMPLE);
  });

  test('a preshared key in each [Peer]', () => {
    const keyed = TEXT.replace('AllowedIPs', `PresharedKey = ${SECRET}\nAllowedIPs`);
    expect(value(parseWgQuick(keyed))).toEqual({ ...EXAMPLE, hasPresharedKey: true });
  });

  test('another Endpoint, which is the most preferred one then', () => {
    const changed = value(parseWgQuick(TEXT.replace(/^Endpoint = .*$/m, 'Endpoint = 192.0.2.7:4500')));
    expect(changed.gateways[0]?.endpoints).toEqual(['192.0.2.7:4500', 'vpn.example.com:51840', '[2001:db8::1]:51840']);
  });
});

describe('a file that is refused tells the line', () => {
  const swapped = (from: string | RegExp, to: string) => TEXT.replace(from, to);

  test.each([
    ['a command that is not ours', swapped(/^PostUp.*$/m, 'PostUp = rm -rf /'), /^line 7: .*run as root$/],
    ['a command after ours', swapped('%i.key', '%i.key; id'), /^line 7: .*run as root$/],
    ['a key of wg-quick that we do not write', swapped('MTU = 1420', 'PreUp = id'), /^line 5: PreUp is no key that/],
    [
      'a key in the wrong section',
      swapped('[Interface]', '[Interface]\nEndpoint = a:1'),
      /^line 4: Endpoint is no key/,
    ],
    ['a key that is there twice', swapped('MTU = 1420', 'MTU = 1420\nMTU = 1280'), /^line 6: MTU is there twice$/],
    ['a line that is none', swapped('MTU = 1420', 'MTU'), /^line 5: neither a comment/],
    ['an MTU that is none', swapped('1420', '70000'), /^line 5: MTU: a number from 0 to 65535$/],
    ['an address with a network', swapped('10.213.0.20/32', '10.213.0.20/24'), /^line 4: Address: one address of/],
    ['two addresses of a family', swapped('fd5a::20/128', '10.213.0.21/32'), /^line 4: Address: one address of/],
    ['search domains of different clusters', swapped('svc.cluster', 'svc.other'), /^line 6: DNS: resolvers and then/],
    ['no [Peer]', TEXT.slice(0, TEXT.indexOf('\n\n')), /^line 3: no \[Peer\]/],
    ['no file', '', /^line 1: the first section must be \[Interface\]$/],
    ['no MeshPeer', swapped('# team-a/ada\n', ''), /^line 1: the first comment must name the MeshPeer/],
    ['no MeshGateway', swapped('# MeshGateway default', '# Gateway default'), /^line 11: no comment before \[Peer\]/],
    [
      'another URL',
      swapped('http://10.213.0.1:51840/', 'http://192.0.2.1:80/x'),
      /^line 9: where the gateway is asked/,
    ],
    [
      'a full tunnel of a part',
      swapped('# Endpoints', '# Full tunnel: 0.0.0.0/1\n# Endpoints'),
      /^line 10: a full tunnel/,
    ],
    ['no endpoint', swapped(/^Endpoint = .*\n/m, ''), /^line 11: \[Peer\] has no Endpoint$/],
    ['an endpoint without a port', swapped(/^Endpoint = .*$/m, 'Endpoint = a'), /^line 14: Endpoint: this is not HOST/],
    ['a range twice', `${TEXT}${TEXT.slice(TEXT.indexOf('# MeshG'))}`, /^line 18: its name, key or a part of/],
  ])('%s', (_what, text, problem) => {
    expect(problemOf(text)).toMatch(problem);
  });

  test('a preshared key for one gateway only', () => {
    const second = { ...EXAMPLE.gateways[0], name: 'b', publicKey: aKey('b'), allowedIPs: ['192.0.2.0/24'] as Cidr[] };
    const two = wgQuick({
      ...EXAMPLE,
      hasPresharedKey: true,
      gateways: [...EXAMPLE.gateways, second as ClientGateway],
    });
    const [first = ''] = /^PostUp.*psk\n/m.exec(two) ?? [];
    expect(problemOf(two.replace(first, ''))).toMatch(/^line 13: no preshared key for this \[Peer\]/);
  });

  test.each([
    ['a piece of a broken line', swapped('MTU = 1420', `PrivateKey = x\n${LETTERS} = x`)],
    ['PrivatKey', swapped('MTU = 1420', `PrivatKey = ${SECRET}`)],
    ['PrivateKey', swapped('MTU = 1420', `PrivateKey = x${SECRET}`)],
    ['the line', swapped('MTU = 1420', SECRET)],
    ['Address', swapped('10.213.0.20/32', SECRET)],
    ['Endpoint', swapped(/^Endpoint = .*$/m, `Endpoint = ${SECRET}`)],
    ['MTU', swapped('1420', SECRET)],
  ])('and no secret, whatever line it stands in: %s', (_where, text) => {
    expect(problemOf(text)).not.toContain(SECRET.slice(0, 8));
    expect(problemOf(text)).not.toContain(LETTERS);
  });
});

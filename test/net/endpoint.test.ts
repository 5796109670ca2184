import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endpointOf, PORT_PATTERN, parseEndpoint } from '../../src/net/endpoint.ts';
import { addresses, value } from './arbitraries.ts';

const ports = fc.integer({ min: 1, max: 65_535 });

describe('parseEndpoint', () => {
  test.each([
    ['vpn.example.com', 'vpn.example.com:51840'],
    ['VPN.Example.com:1', 'vpn.example.com:1'],
    ['vpn.example.com.', 'vpn.example.com.:51840'],
    ['localhost:65535', 'localhost:65535'],
    ['1a.example', '1a.example:51840'],
    ['192.0.2.1', '192.0.2.1:51840'],
    ['192.0.2.1:443', '192.0.2.1:443'],
    ['2001:DB8::1', '[2001:db8::1]:51840'],
    ['[2001:db8::1]', '[2001:db8::1]:51840'],
    ['[2001:db8:0::1]:443', '[2001:db8::1]:443'],
    ['::1', '[::1]:51840'],
  ])('%s is %s', (text, endpoint) => {
    expect(parseEndpoint(text, 51_840)).toEqual({ ok: true, value: endpoint });
  });

  test.each([
    '',
    ' a',
    'a b',
    'a\n',
    'a:',
    ':1',
    'a:b',
    'a:0',
    'a:01',
    'a:65536',
    'a:99999',
    'a:123456',
    'a:1:2',
    'a..b',
    '.a',
    '-a',
    'a-',
    'a_b',
    'ü.example',
    'http://a',
    'a/b',
    'user@a',
    `${'a'.repeat(64)}.example`,
    'a.'.repeat(127).concat('a'),
    '1.2.3',
    '1.2.3.4.',
    '1.2.3.4.5:6',
    '01.2.3.4:5',
    '10.0.0.256:1',
    '[a]:5',
    '[1.2.3.4]:5',
    '[::1',
    '::1]',
    '[::1]5',
    '[::1]:05',
    '[::1%lo]:5',
    '::ffff:1.2.3.4',
    '[::ffff:1.2.3.4]:5',
  ])('%j is refused', (text) => {
    expect(parseEndpoint(text, 51_840)).toMatchObject({ ok: false });
  });

  test('without a port and a default, the port is missed', () => {
    expect(parseEndpoint('a')).toEqual({ ok: false, problem: '"a" has no port' });
  });

  test('huge text is refused quickly, and the problem stays short', () => {
    for (const text of ['a'.repeat(5_000_000), 'a.'.repeat(2_500_000), '['.repeat(5_000_000), ':'.repeat(5_000_000)]) {
      const result = parseEndpoint(text, 1);
      expect(!result.ok && result.problem.length).toBeLessThan(400);
    }
  });

  test('what was parsed is parsed again to the same', () => {
    fc.assert(
      fc.property(addresses, ports, (address, port) => {
        const endpoint = endpointOf(address, port);
        expect(value(parseEndpoint(endpoint))).toBe(endpoint);
      }),
    );
    fc.assert(
      fc.property(fc.domain(), ports, (name, port) => {
        const endpoint = value(parseEndpoint(`${name}:${port}`));
        expect(value(parseEndpoint(endpoint))).toBe(endpoint);
      }),
    );
  });
});

test('the pattern for ports takes 1 to 65535 and nothing else', () => {
  const pattern = new RegExp(`^${PORT_PATTERN}$`);
  const taken = Array.from({ length: 100_000 }, (_, port) => port).filter((port) => pattern.test(`${port}`));
  expect([taken[0], taken.at(-1), taken.length]).toEqual([1, 65_535, 65_535]);
  expect(pattern.test('080')).toBe(false);
});

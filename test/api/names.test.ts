import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { childName, gatewayNodeName, interfaceName, tableName } from '../../src/api/names.ts';

const characters = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-');
/** Names that a MeshGateway may have, many of them alike at the start. */
const gateways = fc
  .tuple(fc.constantFrom('', 'office', 'office-'), fc.string({ unit: characters, minLength: 1, maxLength: 33 }))
  .map((parts) => parts.join(''))
  .filter((name) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name));
const nodes = fc.domain();

describe('interfaceName', () => {
  test.each([
    ['default', 'wg-default'],
    ['a', 'wg-a'],
    ['twelve-chars', 'wg-twelve-chars'],
    ['thirteen-char', 'wg-thirtee_kr6h'],
  ])('of %s is %s', (gateway, name) => {
    expect(interfaceName(gateway)).toBe(name);
  });

  test('is a name that Linux, wg-quick and nft take', () => {
    fc.assert(fc.property(gateways, (gateway) => /^wg-[a-z0-9_-]{1,12}$/.test(interfaceName(gateway))));
  });

  test('differs between gateways', () => {
    fc.assert(differ(interfaceName));
  });

  test('a shortened name is no other gateway’s plain name', () => {
    fc.assert(
      fc.property(
        gateways.filter((gateway) => gateway.length > 12),
        (gateway) =>
          interfaceName(interfaceName(gateway).slice(3)) === interfaceName(gateway) &&
          interfaceName(gateway).includes('_'),
      ),
    );
  });
});

test('tables and children of different gateways have different names', () => {
  fc.assert(differ(tableName));
  fc.assert(differ(childName));
  fc.assert(fc.property(gateways, (gateway) => /^sallyport_[a-z0-9_]{1,40}$/.test(tableName(gateway))));
  fc.assert(fc.property(gateways, (gateway) => childName(gateway).length <= 63));
});

test('a gateway and a node can be told from their common name', () => {
  fc.assert(
    fc.property(gateways, nodes, (gateway, node) => {
      const name = gatewayNodeName(gateway, node);
      const dot = name.indexOf('.');
      expect([name.slice(0, dot), name.slice(dot + 1)]).toEqual([gateway, node]);
    }),
  );
});

function differ(nameOf: (gateway: string) => string) {
  return fc.property(gateways, gateways, (one, other) => (nameOf(one) === nameOf(other)) === (one === other));
}

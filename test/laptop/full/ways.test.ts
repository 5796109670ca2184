import { describe, expect, test } from 'vitest';
import { ROUTE_PROTOCOL } from '../../../src/dataplane/routes/route.ts';
import { FULL_NUMBER, FULL_PROTOCOL, type FullTunnel } from '../../../src/laptop/full/full-tunnel.ts';
import { guardedDevices, guardMark, guardScript, guardTable } from '../../../src/laptop/full/guard.ts';
import { type Way, wayCommands, waysIn, waysOf } from '../../../src/laptop/full/ways.ts';
import { EVERYTHING } from '../../../src/mesh/client-configuration.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import { because } from '../../support/because.ts';
import { nftMissing, tryNft } from '../../support/nft.ts';

const FULL: FullTunnel = {
  device: 'sp-lab',
  isServed: true,
  addresses: ['10.213.0.16', 'fd5a:213::16'] as IpAddress[],
  ranges: ['10.96.0.0/12', '10.213.0.1/32'] as Cidr[],
  internet: EVERYTHING,
  outside: [
    { address: '45.0.0.1' as IpAddress, port: 51840 },
    { address: '2a00:45::1' as IpAddress, port: 51840 },
  ],
  questions: [{ server: '192.168.77.1' as IpAddress, port: 40000 }],
};

const texts = (ways: readonly Way[], family: 4 | 6, kind: Way['kind']) =>
  ways.filter((way) => way.family === family && way.kind === kind).map(({ text }) => text);

describe('the ways of a full tunnel', () => {
  const ways = waysOf(FULL, [4, 6]);

  test('are made in the order in which they are safe: routes first, and the rule for everything last', () => {
    expect(texts(ways, 4, 'route')).toEqual([
      'unreachable default metric 4278198272 table 13648',
      '10.96.0.0/12 dev sp-lab table 13648',
      '10.213.0.1 dev sp-lab table 13648',
      'default dev sp-lab table 13648',
    ]);
    expect(texts(ways, 4, 'rule')).toEqual([
      'priority 5350 fwmark 0x3550 lookup main',
      'priority 5351 to 45.0.0.1 ipproto udp dport 51840 lookup main',
      'priority 5351 to 45.0.0.1 ipproto udp sport 51840 lookup main',
      'priority 5351 to 192.168.77.1 ipproto udp sport 40000 dport 53 lookup main',
      'priority 5351 to 192.168.77.1 ipproto udp sport 53 dport 40000 lookup main',
      'priority 5352 to 10.96.0.0/12 lookup 13648',
      'priority 5352 to 10.213.0.1 lookup 13648',
      'priority 5353 to 10.0.0.0/8 lookup main suppress_prefixlength 0',
      'priority 5353 to 100.64.0.0/10 lookup main suppress_prefixlength 0',
      'priority 5353 to 169.254.0.0/16 lookup main suppress_prefixlength 0',
      'priority 5353 to 172.16.0.0/12 lookup main suppress_prefixlength 0',
      'priority 5353 to 192.168.0.0/16 lookup main suppress_prefixlength 0',
      'priority 5354 lookup 13648',
    ]);
  });

  test('of a family that no gateway carries lead nowhere', () => {
    const four = waysOf({ ...FULL, internet: EVERYTHING.slice(0, 1) }, [4, 6]);
    expect(texts(four, 6, 'route')).toEqual(['unreachable default metric 4278198272 table 13648']);
    expect(texts(four, 6, 'rule').at(-1)).toBe('priority 5354 lookup 13648');
  });

  test('lead nowhere while there is no interface, and to no other place', () => {
    const gone = waysOf({ ...FULL, isServed: false }, [4]);
    expect(texts(gone, 4, 'route')).toEqual(['unreachable default metric 4278198272 table 13648']);
    expect(texts(gone, 4, 'rule')).toEqual(texts(ways, 4, 'rule'));
  });

  test('name no family that the machine has not', () => {
    expect(waysOf(FULL, [4]).every(({ family }) => family === 4)).toBe(true);
  });

  test('have a mark without the bits of kube-proxy, Calico and Tailscale, and the protocol of our routes', () => {
    expect(FULL_NUMBER & 0xffc000).toBe(0);
    expect(FULL_PROTOCOL).toBe(ROUTE_PROTOCOL);
  });
});

/** As iproute2 6.1 prints them. */
const LISTED = {
  rules: JSON.stringify([
    { priority: 0, src: 'all', table: 'local' },
    { priority: 5210, src: 'all', fwmark: '0x80000', fwmask: '0xff0000', table: 'main' },
    { priority: 5350, src: 'all', fwmark: '0x3550', table: 'main', protocol: '213' },
    { priority: 5351, src: 'all', dst: '45.0.0.1', ipproto: 'udp', dport: 51840, table: 'main', protocol: '213' },
    { priority: 5351, src: 'all', dst: '45.0.0.1', ipproto: 'udp', sport: 51840, table: 'main', protocol: '213' },
    { priority: 5353, src: 'all', dst: '10.0.0.0', dstlen: 8, table: 'main', suppress_prefixlen: 0, protocol: '213' },
    { priority: 5354, src: 'all', table: '13648', protocol: '213' },
    { priority: 32766, src: 'all', table: 'main' },
  ]),
  routes: JSON.stringify([
    { dst: 'default', dev: 'sp-lab', protocol: '213', scope: 'link', flags: [] },
    { type: 'unreachable', dst: 'default', protocol: '213', metric: 4278198272, flags: [] },
  ]),
};

describe('what is there of them', () => {
  test('is ours alone, and in the words in which it is made', () => {
    const there = waysIn(4, LISTED);
    const made = waysOf(FULL, [4]).map(({ text }) => text);
    for (const { text } of there) expect(made).toContain(text);
    expect(there).toHaveLength(7);
  });

  test('is nothing where there is no such table', () => {
    expect(waysIn(4, { rules: '[]', routes: '' })).toEqual([]);
  });

  test('changes by what is missing and what is too much; the same again by nothing', () => {
    const ways = waysOf(FULL, [4]);
    expect(wayCommands(ways, ways)).toEqual([]);
    const { outside: _former, ...rest } = FULL;
    const moved = waysOf({ ...rest, outside: [{ address: '45.0.0.2' as IpAddress, port: 443 }] }, [4]);
    expect(wayCommands(moved, ways).map((argv) => argv.join(' '))).toEqual([
      'ip -4 rule add priority 5351 to 45.0.0.2 ipproto udp dport 443 lookup main protocol 213',
      'ip -4 rule add priority 5351 to 45.0.0.2 ipproto udp sport 443 lookup main protocol 213',
      'ip -4 rule delete priority 5351 to 45.0.0.1 ipproto udp sport 51840 lookup main protocol 213',
      'ip -4 rule delete priority 5351 to 45.0.0.1 ipproto udp dport 51840 lookup main protocol 213',
    ]);
  });

  test('goes in reverse, the rule for everything first', () => {
    const [first, ...others] = wayCommands([], waysOf(FULL, [4])).map((argv) => argv.join(' '));
    expect(first).toBe('ip -4 rule delete priority 5354 lookup 13648 protocol 213');
    expect(others.at(-1)).toContain('route delete unreachable default');
  });
});

describe('the guard of a full tunnel', () => {
  test('is known by its device', () => {
    expect(guardTable('sp-lab')).toBe('sallyport-full-sp-lab');
    expect(
      guardedDevices('table inet filter\ntable inet sallyport-full-sp-lab\ntable inet sallyport_default\n'),
    ).toEqual(['sp-lab']);
  });

  test('is another one once anything of it differs, and the same one in another order', () => {
    const [one, other] = FULL.outside;
    expect(guardMark({ ...FULL, outside: [other, one].flatMap((each) => each ?? []) })).toBe(guardMark(FULL));
    expect(guardMark({ ...FULL, questions: [] })).not.toBe(guardMark(FULL));
    expect(guardMark({ ...FULL, addresses: [] })).not.toBe(guardMark(FULL));
  });

  test.each([
    ['DNS, TLS, QUIC and LLMNR', 'meta l4proto { tcp, udp } th dport { 53, 853, 5355 } goto refuse'],
    ['what has not left the machine yet', 'oifname "docker*" accept'],
    ['no race but of root', 'meta skuid 0 ip daddr . udp dport @endpoints4 accept'],
    ['no packet for the device beside the tunnel', 'iifname != "sp-lab" ip6 daddr @own6 fib saddr type != local drop'],
  ])('knows %s', (_what, rule) => {
    expect(guardScript(FULL)).toContain(rule);
  });

  test.skipIf(nftMissing).each([FULL, { ...FULL, outside: [], questions: [], addresses: [] }])(
    `is taken by the real nft${because(nftMissing)}`,
    (full) => {
      const { stderr, listing } = tryNft(guardScript(full), guardTable(full.device));
      expect(stderr).toBe('');
      expect(listing).toContain(guardMark(full));
    },
  );
});

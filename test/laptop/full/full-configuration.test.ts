import { describe, expect, test } from 'vitest';
import { problemOf } from '../../../src/laptop/acceptable.ts';
import { fullConfiguration, fullProblem } from '../../../src/laptop/full/full-configuration.ts';
import { networkManager, qrCode } from '../../../src/laptop/renderings.ts';
import { type ClientGateway, EVERYTHING } from '../../../src/mesh/client-configuration.ts';
import { parseWgQuick, wgQuick } from '../../../src/mesh/wg-quick.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { value } from '../../net/arbitraries.ts';
import { aClientConfiguration, aClientGateway } from '../../support/client-configurations.ts';

const KEYS = { privateKey: keyPairFrom(new Uint8Array(32).fill(3)).privateKey };
const [FOUR, SIX] = EVERYTHING as readonly [Cidr, Cidr];
const offering = (...all: readonly Partial<ClientGateway>[]) =>
  aClientConfiguration({ gateways: all.map((over) => aClientGateway(over)) });

describe('a full tunnel of a configuration', () => {
  test('is refused where no gateway takes it, in a sentence with the remedy', () => {
    expect(fullProblem(offering({}))).toMatch(
      /^gateway default takes no full tunnel; .*spec\.advertise\.internet\.enabled/,
    );
    expect(fullConfiguration(offering({})).ok).toBe(false);
  });

  test('is refused where names would be left without a server', () => {
    expect(fullProblem({ ...offering({ internet: [FOUR] }), dns: undefined })).toMatch(
      /names no DNS server.*spec\.dns/,
    );
  });

  test('leads everything to the gateway that takes it, and keeps what each gateway has', () => {
    const full = value(fullConfiguration(offering({ name: 'a' }, { name: 'b', internet: EVERYTHING })));
    expect(full.gateways.map(({ allowedIPs }) => allowedIPs.slice(2))).toEqual([[], [FOUR, SIX]]);
    expect(full.gateways.map(({ internet }) => internet)).toEqual([[], []]);
  });

  test('lets nothing of the other family out beside the tunnel', () => {
    const [only] = value(fullConfiguration(offering({ internet: [SIX] }))).gateways;
    expect(only?.allowedIPs.slice(2)).toEqual([FOUR, SIX]);
    const [one, other] = value(fullConfiguration(offering({ internet: [SIX] }, { internet: [FOUR] }))).gateways;
    expect([one?.allowedIPs.slice(2), other?.allowedIPs.slice(2)]).toEqual([[SIX], [FOUR]]);
  });

  test('is a text that wg-quick takes, and that nobody here acts on unasked', () => {
    const full = value(fullConfiguration(offering({ internet: EVERYTHING })));
    expect(wgQuick(full)).toContain('AllowedIPs = 10.96.0.0/12, 10.213.0.1/32, 0.0.0.0/0, ::/0\n');
    expect(value(parseWgQuick(wgQuick(full)))).toEqual(full);
    expect(problemOf(full)).toBe('gateway default wants 0.0.0.0/0, which is nearly everything');
    expect(problemOf(offering({ internet: EVERYTHING }))).toBeUndefined();
  });

  test('is one for NetworkManager too: the default route, and all names', () => {
    const place = { name: 'lab', device: 'sp-lab' };
    const text = networkManager(value(fullConfiguration(offering({ internet: EVERYTHING }))), KEYS, place);
    expect(text).not.toContain('never-default');
    expect(text).toContain('dns-search=svc.cluster.local;cluster.local;~.;\ndns-priority=-50');
    expect(networkManager(offering({ internet: EVERYTHING }), KEYS, place)).toContain('never-default=true');
  });

  test('fits into a QR code', () => {
    const full = value(fullConfiguration(offering({ internet: EVERYTHING })));
    expect(qrCode(full, KEYS).split('\n').length).toBeGreaterThan(10);
  });
});

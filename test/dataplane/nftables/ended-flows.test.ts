import { describe, expect, test } from 'vitest';
import { endedFlows, mergedFlows } from '../../../src/dataplane/nftables/ended-flows.ts';
import type { Flow, NamedSet, Ruleset } from '../../../src/dataplane/nftables/ruleset.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import { aFlow } from '../../support/grants.ts';

const set = (name: string, lets: NamedSet['lets'], interval: boolean, elements: readonly string[]): NamedSet => ({
  name,
  type: ['ipv4_addr', 'ipv4_addr', ...(lets === 'any' ? [] : (['inet_service'] as const))],
  interval,
  elements,
  lets,
});

/** A table in which these elements stay. */
function having(stays: { readonly any?: string[]; readonly tcp?: string[]; readonly ranged?: string[] }): Ruleset {
  const sets = [
    set('any', 'any', true, stays.any ?? []),
    set('tcp', 'tcp', false, stays.tcp ?? []),
    set('udp', 'udp', false, []),
    set('ranged', 'tcp', true, stays.ranged ?? []),
  ];
  return { table: 'mine', sets, chains: [] };
}

const said = (ruleset: Ruleset, name: string, ...removed: readonly string[]) => {
  const { flows, kept } = endedFlows(ruleset, [{ set: name, added: [], removed }]);
  const words = flows.map(({ source, destination, open }) => `${source} ${destination} ${open?.port ?? '*'}`);
  return { flows: words, kept: kept.map(({ destination, open }) => `${destination} ${open?.port ?? '*'}`) };
};

describe('connections end with the element that let them in', () => {
  test.each<[string, Parameters<typeof having>[0]]>([
    ['a range of everything', { any: ['10.0.0.1 . 10.96.0.0/16'] }],
    ['a range of the port', { ranged: ['10.0.0.1 . 10.96.0.0/16 . 80'] }],
    ['the same address as a range', { ranged: ['10.0.0.1 . 10.96.0.20 . 80'] }],
  ])('unless %s still lets them in', (_what, stays) => {
    expect(said(having(stays), 'tcp', '10.0.0.1 . 10.96.0.20 . 80').flows).toEqual([]);
  });

  test.each<[string, Parameters<typeof having>[0]]>([
    ['another device', { any: ['10.0.0.2 . 10.96.0.0/16'] }],
    ['another port', { tcp: ['10.0.0.1 . 10.96.0.20 . 81'], ranged: ['10.0.0.1 . 10.96.0.0/16 . 81'] }],
    ['another range', { any: ['10.0.0.1 . 10.97.0.0/16'] }],
  ])('whatever %s may', (_what, stays) => {
    expect(said(having(stays), 'tcp', '10.0.0.1 . 10.96.0.20 . 80').flows).toEqual(['10.0.0.1 10.96.0.20/32 80']);
  });

  test('of a range, but for what something narrower lets in', () => {
    const stays = having({ tcp: ['10.0.0.1 . 10.96.0.20 . 80', '10.0.0.1 . 10.97.0.1 . 80'] });
    expect(said(stays, 'any', '10.0.0.1 . 10.96.0.0/16')).toEqual({
      flows: ['10.0.0.1 10.96.0.0/16 *'],
      kept: ['10.96.0.20/32 80'],
    });
    expect(said(stays, 'ranged', '10.0.0.1 . 10.96.0.0/16 . 443').kept).toEqual([]);
    expect(said(stays, 'ranged', '10.0.0.1 . 10.96.0.20 . 80').flows).toEqual([]);
  });

  test('but not for an element that another hand made of nonsense', () => {
    expect(said(having({}), 'tcp', 'nonsense', '10.0.0.1 . nonsense . 80').flows).toEqual([]);
  });
});

/** A thousand devices of a hundred ports, of which a tenth leaves: compared pair by pair it took minutes. */
test('what many elements let in is found in the time that it takes to read them', { timeout: 10_000 }, () => {
  const all = Array.from({ length: 100_000 }, (_, index) => {
    const [device, port] = [index % 1000, Math.floor(index / 1000)];
    return `10.213.${Math.floor(device / 250)}.${device % 250} . 10.96.0.20 . ${port + 1}`;
  });
  const [removed, stays] = [all.slice(0, 10_000), all.slice(10_000)];
  const { flows, kept } = endedFlows(having({ tcp: stays }), [{ set: 'tcp', added: [], removed }]);
  expect([flows.length, kept.length]).toEqual([10_000, 0]);
});

describe('the connections of many devices to one port', () => {
  const MESH = ['10.0.0.0/24', 'fd00::/64'] as Cidr[];
  const many = Array.from({ length: 8 }, (_, index) => aFlow(`10.0.0.${index + 1} tcp 10.96.0.20 80`));
  const whole: Flow = { ...aFlow('10.0.0.1 tcp 10.96.0.20 80'), source: '10.0.0.0/24' as Cidr };

  test('end as those of the whole mesh, where no device is let in there', () => {
    const other = aFlow('10.0.0.1 tcp 10.96.0.21 80');
    const stays = having({ tcp: ['10.0.0.9 . 10.96.0.20 . 81', '10.0.0.9 . 10.96.0.21 . 80'] });
    expect(mergedFlows(stays, [...many, other], MESH)).toEqual([whole, other]);
  });

  test('end as those of prefixes without the devices that are let in there', () => {
    const stays = having({ tcp: ['10.0.0.9 . 10.96.0.20 . 80', '10.0.0.4 . 10.96.0.20 . 81'] });
    const others = ['10.0.1.1', '10.0.1.2'].map((source) => aFlow(`${source} tcp 10.96.0.20 80`));
    const merged = mergedFlows(stays, [...many, ...others], MESH);
    // Whoever comes from outside of the mesh stays by himself.
    expect(merged).toEqual([{ ...whole, source: '10.0.0.0/29' as Cidr }, many.at(-1), ...others]);
    expect(merged[1]).toBe(many.at(-1));
  });

  test.each<[string, Parameters<typeof having>[0]]>([
    ['its address', { any: ['10.0.0.9 . 10.96.0.20'] }],
    ['a range around it', { any: ['10.0.0.9 . 10.96.0.0/16'] }],
    ['that port of a range', { ranged: ['10.0.0.9 . 10.96.0.0/16 . 80'] }],
  ])('end each by itself, where some device is let in to %s', (_what, stays) => {
    expect(mergedFlows(having(stays), many, MESH)).toEqual(many);
  });

  test('end each by itself where they are few, or the mesh is not known', () => {
    expect(mergedFlows(having({}), many.slice(1), MESH)).toEqual(many.slice(1));
    expect(mergedFlows(having({}), many, [])).toEqual(many);
  });

  test('to whole ranges end each by itself', () => {
    const ranges = many.map((flow) => ({ ...flow, destination: '10.96.0.0/16' as Cidr }));
    expect(mergedFlows(having({}), ranges, MESH)).toEqual(ranges);
  });

  test('are compared with a range once, however many devices it is let in to', () => {
    const devices = Array.from({ length: 5000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    const stays = having({
      any: devices.map((device) => `${device} . 10.97.0.0/16`),
      ranged: ['10.0.0.9 . 10.98.0.0/16 . 80'],
    });
    const groups = Array.from({ length: 2500 }, (_, group) =>
      many.map(({ source }) => aFlow(`${source} tcp 10.96.${group >> 8}.${group & 255} 80`)),
    );
    const met = many.map(({ source }) => aFlow(`${source} tcp 10.97.0.1 80`));
    const metByPort = many.map(({ source }) => aFlow(`${source} tcp 10.98.0.1 80`));
    const merged = mergedFlows(stays, [...groups, met, metByPort].flat(), MESH);
    expect(merged.length).toBe(2500 + 16);
    expect(merged.slice(2500)).toEqual([...met, ...metByPort]);
  });
});

import { describe, expect, it } from 'vitest';
import { EndpointNames } from '../../../src/cli/path/endpoint-names.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { SkippingClock } from '../../support/fake-clock.ts';

const NAMED = 'gw.example:51840' as Endpoint;
const LITERAL = '192.0.2.1:51840' as Endpoint;
const SIX = '[2001:db8::1]:7' as Endpoint;

/** A resolver that says what it is told to; undefined: nothing, ever. */
function resolver(first: readonly string[] | undefined) {
  let answer = first;
  return {
    say: (next: readonly string[] | Error | undefined) => {
      answer = next as readonly string[] | undefined;
    },
    lookup: (): Promise<readonly IpAddress[]> => {
      if (answer === undefined) return new Promise(() => undefined);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as readonly IpAddress[]);
    },
  };
}

describe('names among endpoints', () => {
  it('stand for all of their addresses, in their place', async () => {
    const names = new EndpointNames(resolver(['192.0.2.7', '2001:db8::7']).lookup, new SkippingClock());
    expect(await names.candidates([NAMED, LITERAL, SIX])).toEqual([
      { endpoint: NAMED, address: '192.0.2.7:51840' },
      { endpoint: NAMED, address: '[2001:db8::7]:51840' },
      { endpoint: LITERAL, address: LITERAL },
      { endpoint: SIX, address: SIX },
    ]);
  });

  it('take part once where they stand for an address that another has', async () => {
    const names = new EndpointNames(resolver(['192.0.2.1']).lookup, new SkippingClock());
    expect(await names.candidates([NAMED, LITERAL])).toEqual([{ endpoint: NAMED, address: LITERAL }]);
  });

  it('are left out where nobody knows them, or nobody answers', async () => {
    for (const answer of [new Error('ENOTFOUND'), undefined]) {
      const asked = resolver([]);
      asked.say(answer);
      const names = new EndpointNames(asked.lookup, new SkippingClock());
      expect(await names.candidates([NAMED, LITERAL])).toEqual([{ endpoint: LITERAL, address: LITERAL }]);
    }
  });

  it('stand for what they last stood for while nobody answers, after a wait of 300 ms', async () => {
    const clock = new SkippingClock();
    const asked = resolver(['192.0.2.7']);
    const names = new EndpointNames(asked.lookup, clock);
    await names.candidates([NAMED]);
    for (const answer of [new Error('EAI_AGAIN'), undefined]) {
      asked.say(answer);
      expect(await names.candidates([NAMED])).toEqual([{ endpoint: NAMED, address: '192.0.2.7:51840' }]);
    }
    expect(clock.waits).toEqual([300]);
    asked.say(['192.0.2.8']);
    expect(await names.candidates([NAMED])).toEqual([{ endpoint: NAMED, address: '192.0.2.8:51840' }]);
  });
});

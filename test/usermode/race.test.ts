import { describe, expect, it } from 'vitest';
import { RACE_TIMING, SETTLE_MS } from '../../src/usermode/race.ts';
import { isLater, timestampAt } from '../../src/usermode/timestamp.ts';
import { at, identities, seeded, someKeys } from './builders.ts';
import { endpointOfNode, type RacingNode, runRace as run } from './race-track.ts';

const [FIRST, SECOND, THIRD] = [endpointOfNode(0), endpointOfNode(1), endpointOfNode(2)];

const away = (delayMs: number): RacingNode => ({ conditions: { delayMs } });

describe('a race of handshakes', () => {
  it('is won by the preferred endpoint among equally near ones', () => {
    expect(run([away(20), away(20), away(20)]).winner).toEqual({ endpoint: FIRST, rttMs: 40 });
  });

  it('is won by another that is nearer by more than its handicap', () => {
    expect(run([away(100), away(100), away(20)]).winner).toEqual({ endpoint: THIRD, rttMs: 40 });
  });

  it('passes over endpoints where nobody is', () => {
    const { winner, ms } = run([undefined, undefined, away(10)]);
    expect(winner?.endpoint).toEqual(THIRD);
    expect(ms).toBeLessThan(200);
  });

  it('ends without a winner when nobody answers, having asked each endpoint five times', () => {
    const { winner, ms, sent } = run([undefined, undefined]);
    expect(winner).toBeUndefined();
    expect(ms).toBe(RACE_TIMING.timeoutMs);
    expect(sent.filter(({ to }) => to.address === SECOND.address)).toHaveLength(5);
  });

  it('takes the round trip of the very attempt that was answered, also when it comes after a retry', () => {
    const { winner, sent } = run([away(300)]);
    expect(winner).toEqual({ endpoint: FIRST, rttMs: 600 });
    expect(sent).toHaveLength(2);
  });

  it('asks again where packets are lost: of 60 races at 5 % loss and 200 ms none goes without a winner', () => {
    const lossy: RacingNode = { conditions: { delayMs: 90, jitterMs: 20, loss: 0.05 } };
    const outcomes = Array.from({ length: 60 }, (_, seed) => run([lossy, lossy], { seed: seed * 10 }));
    expect(outcomes.filter(({ winner }) => winner === undefined)).toEqual([]);
  });

  it('begins every endpoint within the spread, however many there are', () => {
    const { sent } = run(Array.from({ length: 30 }, () => undefined));
    const begun = new Map(sent.toReversed().map(({ to, at: when }) => [to.address, when]));
    expect(begun.size).toBe(30);
    expect(Math.max(...begun.values())).toBeLessThanOrEqual(RACE_TIMING.spreadMs);
  });

  it('honours a cookie at once', () => {
    const { winner, sent, ms } = run([{ ...away(10), isLoaded: true }]);
    expect(winner).toEqual({ endpoint: FIRST, rttMs: 20 });
    expect(sent.map((one) => one.at)).toEqual([0, 20]);
    expect(ms).toBe(40 + SETTLE_MS);
  });

  it.each([
    ['with another preshared key', { ...identities().gateway }],
    ['with another private key', { ...identities(seeded('psk')(32)).gateway, local: someKeys('thief') }],
  ])('is not won by a node %s', (_, identity) => {
    expect(run([{ identity }, away(50)]).winner?.endpoint).toEqual(SECOND);
  });

  it('is not won by damaged answers', () => {
    expect(run([{ conditions: { corrupted: 1 } }]).winner).toBeUndefined();
  });

  it('leaves a later timestamp to an interface that dials as soon as it has ended, whenever it began', () => {
    for (let start = 0; start < 1_000; start += 7) {
      const { ms, sent } = run([away(1), away(1)], { start });
      const next = timestampAt(at(start + ms).unixMs);
      for (const { timestamp } of sent) expect(isLater(next, timestamp)).toBe(true);
      expect(ms - Math.max(...sent.map((one) => one.at - start))).toBeGreaterThanOrEqual(SETTLE_MS);
    }
  });
});

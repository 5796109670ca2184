import { describe, expect, it } from 'vitest';
import { answered, type Counters, listen, NO_SILENCE, type Silence } from '../../../src/laptop/path/silence.ts';

const START: Counters = { rxPackets: 10, rxBytes: 1_000, txPackets: 10, txBytes: 1_000 };
const heardOf = (counters: Counters, now: number, silence: Silence, isOurs = false) =>
  listen(silence, { counters, now, isOurs });
const first = heardOf(START, 0, NO_SILENCE);
const sent = (bytes: number, packets = 1) => ({
  ...START,
  txPackets: START.txPackets + packets,
  txBytes: START.txBytes + bytes,
});
const received = { ...START, rxPackets: 11, rxBytes: 1_060 };

describe('silence', () => {
  it('begins with the first packet that nothing follows, and ends with whatever comes', () => {
    const waiting = heardOf(sent(60), 100, first);
    expect(waiting.unansweredSince).toBe(100);
    const more = heardOf(sent(120, 2), 200, waiting);
    expect(more.unansweredSince).toBe(100);
    const ended = heardOf({ ...sent(120, 2), rxPackets: 11 }, 300, more);
    expect(ended).toMatchObject({ unansweredSince: undefined, heardAt: 300, hasHeard: true });
  });

  it('is not told by the first reading, nor by one after the interface was made anew', () => {
    expect(first.unansweredSince).toBeUndefined();
    const anew = { rxPackets: 0, rxBytes: 0, txPackets: 1, txBytes: 60 };
    expect(heardOf(anew, 100, heardOf(sent(60), 50, first)).unansweredSince).toBeUndefined();
  });

  it.each([
    ['one keepalive', 32, 1],
    ['one keepalive as a kernel counts it', 16, 1],
    ['three keepalives', 96, 3],
  ])('does not begin with %s', (_, bytes, packets) => {
    expect(heardOf(sent(bytes, packets), 100, first)).toMatchObject({ unansweredSince: undefined, hasSent: false });
  });

  it('begins with a keepalive and a packet together', () => {
    expect(heardOf(sent(32 + 60, 2), 100, first).unansweredSince).toBe(100);
  });

  it('does not begin with packets of our own, and their answers are no application that was heard', () => {
    const ours = heardOf(sent(60), 100, first, true);
    expect(ours).toMatchObject({ unansweredSince: undefined, hasSent: false });
    expect(heardOf(received, 100, first, true)).toMatchObject({ heardAt: 100, hasHeard: false });
  });

  it('does not begin where both counters have grown', () => {
    expect(heardOf({ ...sent(60), rxPackets: 11 }, 100, first).unansweredSince).toBeUndefined();
  });

  it('is forgiven once the path was found to work', () => {
    expect(answered(heardOf(sent(60), 100, first))).toMatchObject({ unansweredSince: undefined, hasSent: false });
  });
});

import { describe, expect, it } from 'vitest';
import { advancePath } from '../../../src/laptop/path/advance.ts';
import { newPath, type PathEvent, type PathState } from '../../../src/laptop/path/state.ts';
import { candidate } from './simulation.ts';

const QUIET = { rxPackets: 1, rxBytes: 60, txPackets: 1, txBytes: 60 };
const at = (now: number, unixMs = 1_800_000_000_000 + now) => ({ now, unixMs });
const tick = (changes: Partial<typeof QUIET> = {}): PathEvent => ({
  kind: 'tick',
  counters: { ...QUIET, ...changes },
  isOurs: false,
});

/** The state after events, one every 100 ms from `from` on, and the kinds of what the last one asked for. */
function told(state: PathState, from: number, ...events: readonly PathEvent[]) {
  let turn = { state, effects: [] } as ReturnType<typeof advancePath>;
  for (const [index, event] of events.entries()) turn = advancePath(turn.state, event, at(from + 100 * index));
  return { state: turn.state, effects: turn.effects, kinds: turn.effects.map(({ kind }) => kind) };
}

/** A path that was just found to work. */
function working(isAlone = true): PathState {
  return told(newPath({ ...candidate(0), rttMs: 20 }, isAlone, at(0)), 0, tick(), { kind: 'checked', rttMs: 20 }).state;
}

const raced = (place: number): PathEvent => ({ kind: 'raced', winner: { ...candidate(place), rttMs: 20 } });
const failed: PathEvent = { kind: 'checked', rttMs: undefined };
const woken: PathEvent = { kind: 'woken' };

describe('the way to a gateway', () => {
  it('is checked as soon as there is an interface, and not before', () => {
    const path = newPath(candidate(0), true, at(0));
    expect(told(path, 0, { kind: 'tick', counters: undefined, isOurs: false }).kinds).toEqual([]);
    expect(told(path, 0, tick()).kinds).toEqual(['check']);
  });

  it('takes no notice of outcomes that it does not wait for', () => {
    const path = working();
    for (const event of [failed, raced(1), { kind: 'set', ok: true }] as const)
      expect(told(path, 500, event)).toEqual({ state: path, effects: [], kinds: [] });
  });

  it('is raced for when a check fails, unless something came in meanwhile', () => {
    const checking = told(working(), 500, woken, tick()).state;
    expect(told(checking, 700, failed).kinds).toEqual(['race']);
    expect(told(checking, 700, tick({ rxPackets: 2 }), failed).kinds).toEqual(['tell']);
  });

  it('stays where it is when something comes in during the race, and the race is given up', () => {
    const racing = told(working(), 500, woken, tick(), failed).state;
    const heard = told(racing, 800, tick({ rxPackets: 2 }));
    expect(heard.kinds).toEqual(['cancel', 'tell']);
    expect(heard.state.standing.endpoint).toBe(candidate(0).endpoint);
  });

  it('moves to the winner, says so, and checks it', () => {
    const won = told(working(), 500, woken, tick(), failed, raced(1));
    expect(won.effects).toEqual([{ kind: 'set', to: candidate(1) }]);
    const moved = told(won.state, 900, { kind: 'set', ok: true });
    expect(moved.kinds).toEqual(['tell', 'check']);
    expect(moved.state.standing).toMatchObject({ ...candidate(1), dialledAt: at(900).unixMs });
  });

  it('tries again later where the endpoint cannot be set', () => {
    const broken = told(working(), 500, woken, tick(), failed, raced(1), { kind: 'set', ok: false });
    expect(broken.kinds).toEqual(['tell']);
    expect(broken.state).toMatchObject({ phase: { kind: 'waiting' }, standing: { condition: 'unproven' } });
  });

  it('is dialled anew when it was offline, though the same endpoint answers', () => {
    const offline = told(working(), 500, woken, tick(), failed, { kind: 'raced', winner: undefined });
    expect(offline.effects).toMatchObject([{ kind: 'tell', standing: { condition: 'offline' } }]);
    const tried = told(offline.state, 2_500, tick());
    expect(tried.kinds).toEqual(['race']);
    expect(told(tried.state, 2_600, raced(0)).effects).toEqual([{ kind: 'set', to: candidate(0) }]);
  });

  it('is raced for at once when its endpoint is no longer in the configuration', () => {
    const unlisted = told(working(), 500, { kind: 'unlisted' });
    expect(unlisted.kinds).toEqual(['race']);
    expect(told(unlisted.state, 600, raced(1)).kinds).toEqual(['set']);
  });

  it('is checked after a burst of changes of the network once a second at most', () => {
    const path = told(working(), 500, woken, tick(), { kind: 'checked', rttMs: 20 }, woken).state;
    expect(told(path, 900, tick()).kinds).toEqual([]);
    expect(told(path, 1_700, tick()).kinds).toEqual(['check']);
  });

  it('is checked when the clock has jumped, in either direction', () => {
    for (const unixMs of [at(600).unixMs + 60_000, at(600).unixMs - 60_000]) {
      const before = told(working(), 500, tick()).state;
      expect(advancePath(before, tick(), at(600, unixMs)).effects).toMatchObject([{ kind: 'check' }]);
    }
  });
});

describe('one of several ways behind one interface', () => {
  const answeredTraffic = (count: number) =>
    tick({ rxPackets: 1 + count, txPackets: 1 + count, txBytes: 60 + 60 * count });

  it('is checked every 2 s while packets are sent, answered or not', () => {
    const shared = working(false);
    expect(told(shared, 500, answeredTraffic(1), answeredTraffic(2)).kinds).toEqual([]);
    expect(told(told(shared, 500, answeredTraffic(1)).state, 2_200, answeredTraffic(2)).kinds).toEqual(['check']);
    expect(told(working(true), 2_200, answeredTraffic(2)).kinds).toEqual([]);
  });

  it('is not proven by what the others receive', () => {
    const checking = told(working(false), 500, woken, tick()).state;
    expect(told(checking, 700, tick({ rxPackets: 2 }), failed).kinds).toEqual(['race']);
  });

  it('is checked every 25 s where nobody sends', () => {
    expect(told(working(false), 24_000, tick()).kinds).toEqual([]);
    expect(told(working(false), 25_100, tick()).kinds).toEqual(['check']);
  });
});

import { now } from '../bench/laptop/dials.ts';
import { poll } from '../lab/progress.ts';
import { untilTold } from './devices.ts';
import type { Fault, Scene } from './fault.ts';
import type { Load } from './load.ts';
import type { Seen } from './promise.ts';
import { differences, type State, stateOf } from './state.ts';

/** So much longer than promised it is looked whether all is as it was, so that a row can say how long it took. */
const LONGER_S = 60;

/** Lets a fault happen under load, and sees all of it until everything is as before. @throws when it cannot be made to happen, or ended */
export async function tried(fault: Fault, scene: Scene, load: Load): Promise<Seen> {
  const before = await stateOf(scene.mesh);
  await load.flows();
  await untilTold(scene);
  let ended = now();
  let restored: Restored = { at: ended, lost: [] };
  const { answeredAt, ...carried } = await load.during(async () => {
    ended = now();
    const heal = await fault.inject(scene);
    await heal?.();
    // Of a fault that mends itself its beginning counts, and mending may have begun meanwhile.
    if (heal !== undefined) ended = now();
    await fault.recovered?.(scene);
    restored = await untilRestored(before, scene, fault.promise.seconds + LONGER_S);
  });
  const seconds = Math.max(0, Math.max(restored.at, answeredAt) - ended) / 1000;
  return { ...carried, seconds, lost: restored.lost };
}

interface Restored {
  /** When the look had ended that found all as before, or the last one. */
  readonly at: number;
  readonly lost: readonly string[];
}

async function untilRestored(before: State, { mesh }: Scene, seconds: number): Promise<Restored> {
  const end = now() + seconds * 1000;
  return poll(
    'the state of before',
    async () => {
      const lost = await stateOf(mesh).then(
        (state) => differences(before, state),
        (error: Error) => [`cannot be looked at: ${error.message}`],
      );
      const at = now();
      return lost.length === 0 || at > end ? { at, lost } : undefined;
    },
    { timeout: (seconds + LONGER_S) * 1000, interval: 250 },
  );
}

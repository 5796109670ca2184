import { diagnose } from './demo/diagnosis.ts';
import { demoFolder, makeFolder, markKept, removeFolder, wasKept } from './demo/folder.ts';
import { dockerAnswers, removeKindPlace, startKindPlace } from './demo/kind-place.ts';
import { removeLabPlace, startLabPlace } from './demo/lab-place.ts';
import { Narrator } from './demo/narrator.ts';
import type { Place } from './demo/place.ts';
import { install, join, reach, revoke, type Stage, uninstall } from './demo/story.ts';
import { interruption } from './support/interrupt.ts';
import { labProblem } from './support/machine.ts';
import { parseWords, refuseWords } from './support/words.ts';

const USAGE = `npm run demo -- [--keep] [--on kind|lab]   the whole story on a cluster made for it, removed at the end
npm run demo -- --down                     removes what --keep left running

  --keep       stop after the laptop has reached the web server, and leave everything running
  --on PLACE   kind: nodes are containers, needs Docker; lab: nodes are namespaces, needs Linux and root.
               Left out: kind where a Docker engine answers, else the lab`;

const { values } = parseWords(
  {
    options: {
      keep: { type: 'boolean', default: false },
      down: { type: 'boolean', default: false },
      on: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  },
  USAGE,
);

const narrator = new Narrator(
  (text) => console.log(text),
  () => performance.now(),
);
// Work that was given up may still run; nothing waits for it.
process.exit(await main());

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.down) return down();
  const on = values.on ?? ((await dockerAnswers()) ? 'kind' : 'lab');
  if (on !== 'kind' && on !== 'lab') refuseWords(`--on is kind or lab, not "${on}"`, USAGE);
  const problem = on === 'lab' ? labProblem() : undefined;
  if (problem !== undefined) {
    console.error(
      `The demo needs a Docker engine that answers \`docker info\`, or the project's own lab. About the lab: ${problem}`,
    );
    return 1;
  }
  if (wasKept()) {
    console.error('An earlier demo is still there. Remove it with: npm run demo -- --down');
    return 1;
  }
  return demo(on);
}

/** Plays the whole story. Whatever happens, nothing stays that was not asked to stay. Returns the exit status. */
async function demo(on: 'kind' | 'lab'): Promise<number> {
  const signal = interruption((name) => narrator.note(`${name}: removing everything`));
  let place: Place | undefined;
  try {
    await makeFolder();
    place = await narrator.step(starting(on), () =>
      unlessAborted(on === 'kind' ? startKindPlace(signal) : startLabPlace(values.keep), signal),
    );
    await play({ place, narrator, signal });
    if (values.keep) return await stay(place);
  } catch (error) {
    if (!signal.aborted) await tell(error, place);
    await remove(on, place);
    return signal.aborted ? 130 : 1;
  }
  await remove(on, place);
  narrator.end('That was Sallyport');
  return 0;
}

async function tell(error: unknown, place: Place | undefined): Promise<void> {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
  if (place !== undefined) await diagnose({ place, narrator });
}

/** The work's value, or the signal's reason as soon as it aborts; what the work has begun is then removed by others. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  work.catch(() => undefined);
  return Promise.race([work, promise]);
}

async function play(stage: Stage): Promise<void> {
  await install(stage);
  const laptop = await join(stage);
  await reach(stage, laptop);
  if (values.keep) return;
  await revoke(stage, laptop);
  await uninstall(stage, laptop);
}

async function stay(place: Place): Promise<number> {
  await markKept();
  narrator.end('Everything stays as it is');
  for (const line of place.usage()) narrator.note(line);
  narrator.note(`the samples, as applied, are in ${demoFolder()}`);
  narrator.note('npm run demo -- --down    removes it all');
  return 0;
}

async function remove(on: 'kind' | 'lab', place: Place | undefined): Promise<void> {
  await narrator.step('Removing the cluster and the laptop', async () => {
    if (place !== undefined) await place.remove();
    else if (on === 'kind') await removeKindPlace();
    // A lab that did not come up is removed by its own guard, when this process ends.
    await removeFolder();
  });
}

async function down(): Promise<number> {
  await narrator.step('Removing what an earlier demo left running', async () => {
    if (await dockerAnswers()) await removeKindPlace();
    if (labProblem() === undefined) await removeLabPlace();
    await removeFolder();
  });
  return 0;
}

function starting(on: 'kind' | 'lab'): string {
  return on === 'kind'
    ? 'Starting a Kubernetes cluster with kind: its nodes are containers on this machine'
    : 'Starting a Kubernetes cluster of two nodes on this machine: real programs in namespaces, no container engine';
}

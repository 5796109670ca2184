import { unsteady } from './support/alone.ts';
import { evidenceSince, forgetEarlierEvidence } from './support/evidence-folder.ts';
import { interruption } from './support/interrupt.ts';
import { ROOT } from './support/paths.ts';
import { proven, skipped, slowest } from './support/proven.ts';
import { type Ring, rings, stages } from './support/rings.ts';
import { runStage } from './support/run-rings.ts';
import { duration, lastLine, type RingResult, table } from './support/tally.ts';
import { parseWords, refuseWords } from './support/words.ts';

const USAGE = 'npm test -- [--list] [--ring NAME]...   runs every ring, or those named';

const { values } = parseWords(
  {
    options: {
      ring: { type: 'string', multiple: true },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  },
  USAGE,
);
const required = !['', '0', 'false'].includes(process.env.CI ?? '');

if (values.help === true) console.log(USAGE);
else if (values.list === true) list();
else process.exitCode = await run(chosen(values.ring));

function list(): void {
  for (const ring of rings()) {
    const problem = ring.problem();
    console.log(
      `${ring.name.padEnd(9)} ${ring.says}${problem === undefined ? '' : `\n          cannot run here: ${problem}`}`,
    );
  }
}

function chosen(names: readonly string[] | undefined): readonly Ring[] {
  const all = rings();
  const unknown = names?.find((name) => !all.some((ring) => ring.name === name));
  if (unknown !== undefined)
    refuseWords(`There is no ring "${unknown}"; there are: ${all.map((ring) => ring.name).join(', ')}`, USAGE);
  return names === undefined ? all : all.filter((ring) => names.includes(ring.name));
}

/** Runs the rings, those of one stage side by side, then says what they came to. Returns the exit status. */
async function run(wanted: readonly Ring[]): Promise<number> {
  const signal = interruption((name) => console.log(`\n${name}: ending; tests that hold something clean up first`));
  forgetEarlierEvidence();
  const began = Date.now();
  const results: RingResult[] = [];
  for (const stage of stages(wanted)) {
    if (signal.aborted) break;
    results.push(...(await runStage(stage, { signal, required })));
  }
  const failures = results.flatMap((result) => result.failures).map((failure) => failure.replace(`${ROOT}/`, ''));
  const failed = headed('FAILED:', failures);
  const alone = unsteady(results.flatMap(({ files = [] }) => files));
  const shaky = headed('UNSTEADY, failed beside others and passed when run again alone:', alone);
  const evidence = headed('Evidence of failures (logs, objects, kernel state, captures):', evidenceSince(began));
  const interrupted = signal.aborted ? 'Interrupted: the numbers are not the whole.' : '';
  const took = `All of it took ${duration(Date.now() - began)}; what ran side by side adds up to more.`;
  const told = [proven(results), slowest(results), skipped(results), shaky, failed, evidence, interrupted];
  const parts = [...told, table(results), took];
  console.log(`\n${[...parts, lastLine(results)].filter((part) => part !== '').join('\n\n')}`);
  return signal.aborted ? 130 : failures.length > 0 ? 1 : 0;
}

function headed(head: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [head, ...lines.map((line) => `  ${line}`)].join('\n');
}

import { FuzzFailure, fuzz } from '../test/fuzz/run.ts';
import { TARGETS } from '../test/fuzz/targets.ts';
import { parseWords, refuseWords } from './support/words.ts';

const USAGE = `npm run fuzz -- [NAME…] [--inputs N] [--seed S]
                        feeds parsers of outside text, every one or those named, with changed inputs (1000000 each);
                        exit status 1 when one breaks its promise`;
const { values, positionals } = parseWords(
  {
    allowPositionals: true,
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    },
  },
  USAGE,
);
/** What a run may leave behind: the parsers keep nothing. */
const MOST_GROWTH_MB = 64;

const inputs = wholeNumber('inputs', values.inputs);
const seed = wholeNumber('seed', values.seed);
const chosen = TARGETS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((wish) => name.includes(wish)),
);
if (chosen.length === 0)
  refuseWords(`No parser is called so; there are: ${TARGETS.map(({ name }) => name).join(', ')}`, USAGE);

console.log(`${inputs} inputs each, seed ${seed}`);
for (const target of chosen) await look(target);

async function look(target: (typeof TARGETS)[number]): Promise<void> {
  const onProgress = (done: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${target.name}: ${done}\u001b[K`);
  };
  const before = heapMb();
  try {
    const { accepted, seconds, slowestMs } = await fuzz(target, { seed, inputs, onProgress });
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    const growth = heapMb() - before;
    console.log(
      `${target.name.padEnd(24)} ${seconds.toFixed(1).padStart(7)} s  ${((100 * accepted) / inputs).toFixed(1).padStart(5)} % taken  slowest ${slowestMs.toFixed(1)} ms  heap ${growth >= 0 ? '+' : ''}${growth.toFixed(1)} MB`,
    );
    if (growth > MOST_GROWTH_MB) fail(`${target.name} keeps ${growth.toFixed(0)} MB after its inputs are gone`);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    fail(error.message);
  }
}

/** Of what is still in use; needs `--expose-gc`, as package.json starts it. */
function heapMb(): number {
  (globalThis as { readonly gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

function fail(message: string): void {
  console.error(`FAILED ${message}`);
  process.exitCode = 1;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    refuseWords(`--${name} is a whole number from 1 on, not "${text}"`, USAGE);
  return value;
}

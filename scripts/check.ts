import { runChecks } from './support/checks.ts';
import { interruption } from './support/interrupt.ts';

const signal = interruption((name) => console.log(`${name}: ending`));
const { failed } = await runChecks({ signal });
process.exitCode = failed === 0 && !signal.aborted ? 0 : 1;

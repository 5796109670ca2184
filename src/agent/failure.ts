import { missingProgram } from '../host/exec-error.ts';
import type { NodeFailure } from '../mesh/node-status.ts';

/** What an error of the host means for the node's report: all messages from the cause to the whole, in one sentence. */
export function failureOf(error: unknown): NodeFailure {
  const causes = causesOf(error);
  const text = causes.map((cause) => cause.message).join(': ');
  // Our own sentences begin with an article; a command keeps its spelling.
  const message = `${text.replace(/^th/, 'Th').replace(/\.$/, '')}.`;
  const names = new Set(causes.map((cause) => cause.name));
  if (names.has('KeyMismatch')) {
    return {
      reason: 'KeyMismatch',
      message: `${message} The kubelet brings a changed Secret to the node within about a minute.`,
    };
  }
  const missing = causes.map(missingProgram).find((program) => program !== undefined);
  if (missing !== undefined)
    return {
      reason: 'ProgramMissing',
      message: `The program ${missing} is not on the agent's PATH; use the image that belongs to this release (image in the chart's values), which has it, or put ${missing} into your own.`,
    };
  if (names.has('PortBusy')) return { reason: 'PortBusy', message: sentenceOf(causes, 'PortBusy') };
  if (names.has('WireGuardUnavailable')) return { reason: 'WireGuardUnavailable', message };
  return { reason: 'ApplyFailed', message };
}

/** Our own words, without those of the command that failed. */
function sentenceOf(causes: readonly Error[], name: string): string {
  const text = causes.find((cause) => cause.name === name)?.message ?? '';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(cause);
  return causes.length > 0 ? causes : [new Error(String(error))];
}

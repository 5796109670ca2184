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
  if (names.has('WireGuardUnavailable')) return { reason: 'WireGuardUnavailable', message };
  return { reason: 'ApplyFailed', message };
}

function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(cause);
  return causes.length > 0 ? causes : [new Error(String(error))];
}

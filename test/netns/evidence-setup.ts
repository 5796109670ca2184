import { leaveEvidence } from '../lab/evidence-hooks.ts';
import { NAMESPACE } from '../lab/evidence-list.ts';
import { COMMAND_MS, EvidenceWriter } from '../lab/evidence-writer.ts';
import { type ExecOptions, run } from '../lab/exec.ts';
import { captureFlows } from '../lab/flow-capture.ts';
import { namespacesHere } from './namespaces-here.ts';

/**
 * What the kernel does in each namespace of the test, in a folder each, numbered as they were made; then a capture of what was asked of
 * the network last, in each.
 */
async function collect(folder: string): Promise<void> {
  const evidence = new EvidenceWriter(folder);
  const { signal, missed } = evidence;
  const machines = [...namespacesHere].map(({ enter, lastAsked }, index) => ({
    name: `namespace-${index + 1}`,
    exec: (argv: readonly string[], options: ExecOptions = {}) => run([...enter, ...argv], options),
    lastAsked,
  }));
  const limits = { signal, timeout: COMMAND_MS };
  await Promise.all(
    machines.flatMap(({ name, exec }) =>
      NAMESPACE.map((look) => evidence.look(name, look, () => exec(look.argv, limits))),
    ),
  );
  const flows = machines.flatMap(({ name, lastAsked: asked }) =>
    asked === undefined
      ? []
      : [{ line: `${name}: ${asked.text}\nin the test: ${asked.outcome ?? 'no answer yet'}`, again: asked.again }],
  );
  // After the state was read: a replayed flow changes it.
  await evidence.take('flows', () => captureFlows(machines, flows, folder, { signal, missed }));
  await evidence.end();
}

leaveEvidence(() => [{ name: 'namespaces', collect }]);

import { leaveEvidence } from '../lab/evidence-hooks.ts';
import { NAMESPACE } from '../lab/evidence-list.ts';
import { COMMAND_MS, EvidenceWriter } from '../lab/evidence-writer.ts';
import { run } from '../lab/exec.ts';
import { namespacesHere } from './namespaces-here.ts';

/** What the kernel does in each namespace of the test, in a folder each, numbered as they were made. */
async function collect(folder: string): Promise<void> {
  const evidence = new EvidenceWriter(folder);
  const limits = { signal: evidence.signal, timeout: COMMAND_MS };
  const looks = [...namespacesHere].flatMap((enter, index) =>
    NAMESPACE.map((look) => evidence.look(`namespace-${index + 1}`, look, () => run([...enter, ...look.argv], limits))),
  );
  await Promise.all(looks);
  await evidence.end();
}

leaveEvidence(() => [{ name: 'namespaces', collect }]);

import { expect } from 'vitest';
import { startProgram } from './mesh.ts';
import type { Namespace } from './namespace.ts';

const QUESTIONS = 5;

/** A flood (programs/flood.ts) from its first datagram on: how long it took, and when it was over, in milliseconds (since 1970). */
export async function beginFlood(from: Namespace, words: string) {
  const said: string[] = [];
  const { exited } = await startProgram(from.commands, `flood.ts ${words}`, (line) => said.push(line));
  const over = async (): Promise<{ readonly ms: number; readonly ended: number }> => {
    const { stderr } = await exited;
    if (said.length < 2) throw new Error(`flood.ts ${words} failed: ${stderr}`);
    return JSON.parse(said.at(-1) ?? '');
  };
  return { over };
}

/**
 * Expects that bob is served all the time from alice's first datagram on to before her last. Says how many have come to the node, by its own
 * count, and how many seconds she sent.
 */
export async function expectServedDuring(
  { alice, bob }: { readonly alice: Namespace; readonly bob: Namespace },
  words: string,
  count: () => Promise<number>,
) {
  const before = await count();
  const { over } = await beginFlood(alice, words);
  const answers = [];
  for (let asked = 0; asked < QUESTIONS; asked += 1) answers.push((await bob.ask('get http://10.96.0.20/')).answer);
  const last = Date.now();
  const { ms, ended } = await over();
  const served = expect.objectContaining({ from: '10.1.0.1' });
  expect(answers).toEqual(Array.from({ length: QUESTIONS }, () => served));
  expect(ended, 'the flood was over before').toBeGreaterThan(last);
  return { seconds: ms / 1000, arrived: (await count()) - before };
}

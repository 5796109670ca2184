import { expect } from 'vitest';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { startProgram } from './mesh.ts';
import type { Namespace } from './namespace.ts';

/** Asked one after the other while a flood goes on, each by a connection of its own. */
export const QUESTIONS = 100;
/** A packet that got lost is sent again by TCP after a second at first: whatever took longer has been tried more than once. */
const AGAIN_MS = 1_000;
const WITHOUT_END = Number.MAX_SAFE_INTEGER;

/** What a flood was, once it is over. */
export interface Flooded {
  readonly sent: number;
  readonly ms: number;
  /** In milliseconds since 1970. */
  readonly ended: number;
}

/** A flood (programs/flood.ts) from its first datagram on: until all are sent, or it is stopped. */
export async function beginFlood(from: Namespace, words: string) {
  const said: string[] = [];
  const { exited, stop } = await startProgram(from.commands, `flood.ts ${words}`, (line) => said.push(line));
  const over = async (): Promise<Flooded> => {
    const { stderr } = await exited;
    if (said.length < 2) throw new Error(`flood.ts ${words} failed: ${stderr}`);
    return JSON.parse(said.at(-1) ?? '');
  };
  const stopped = async (): Promise<Flooded> => {
    await stop();
    return over();
  };
  return { over, stopped };
}

/**
 * Expects that each of many questions of this device is answered, one after the other: what is lost on its way, TCP sends again. Says how many were
 * tried more than once, and how long the longest took, in milliseconds.
 */
export async function expectAnswers(asking: Namespace) {
  const answers: unknown[] = [];
  const waits: number[] = [];
  while (answers.length < QUESTIONS) {
    const { answer, ms } = await asking.ask('get http://10.96.0.20/');
    answers.push(answer);
    waits.push(ms);
  }
  const served = expect.objectContaining({ from: '10.1.0.1' });
  expect(answers).toEqual(Array.from({ length: QUESTIONS }, () => served));
  return { again: waits.filter((ms) => ms >= AGAIN_MS).length, longest: Math.round(Math.max(...waits)) };
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
  const { stopped } = await beginFlood(alice, words.replace('COUNT', String(WITHOUT_END)));
  let last = 0;
  let answered: Awaited<ReturnType<typeof expectAnswers>>;
  let flooded: Flooded;
  try {
    answered = await expectAnswers(bob);
    last = Date.now();
  } finally {
    flooded = await stopped();
  }
  expect(flooded.ended, 'the flood was over before').toBeGreaterThanOrEqual(last);
  return { ...answered, seconds: flooded.ms / 1000, arrived: (await count()) - before };
}

/** Has the node count the datagrams that come out of the tunnel from this address to that port, or to any; answers how many those are. */
export async function countArrivals(node: Namespace, source: string, port?: number) {
  const table = 'inet arrivals';
  await node.runAll(`
    nft add table ${table}
    nft delete table ${table}
    nft add table ${table}
    nft add chain ${table} come { type filter hook prerouting priority raw ; }
    nft add rule ${table} come iifname ${PLAN_NAMES.device} ip saddr ${source} udp dport ${port ?? '0-65535'} counter
  `);
  return async () => Number(/packets (\d+)/.exec(await node.run(`nft list table ${table}`))?.[1]);
}

import { describe, expect, test } from 'vitest';
import { Narrator } from '../../scripts/demo/narrator.ts';
import { describeTimes, timesOf } from '../../scripts/demo/times.ts';

describe('the narrator of the demo', () => {
  test('numbers the steps, indents commands and answers, and says how long each took', async () => {
    const lines: string[] = [];
    let now = 0;
    const narrator = new Narrator(
      (text) => lines.push(text),
      () => now,
    );
    await narrator.step('First', async () => {
      narrator.command('kubectl get nodes');
      narrator.answer('a\nb\n');
      now += 1_250;
    });
    await narrator.step('Second', async () => narrator.answer(''));
    narrator.end('That was all');
    expect(lines).toEqual([
      '\n 1. First',
      '    $ kubectl get nodes',
      '      a\n      b',
      '    done after 1.3 s',
      '\n 2. Second',
      '    done after 0.0 s',
      '\nThat was all (1.3 s in all)',
    ]);
  });

  test('a failed step tells its error to whoever began it', async () => {
    const narrator = new Narrator(
      () => undefined,
      () => 0,
    );
    const failing = narrator.step('First', () => Promise.reject(new Error('no cluster')));
    await expect(failing).rejects.toThrow('no cluster');
  });
});

describe('the times of requests', () => {
  test('ten are taken, the middle and the slowest are told', async () => {
    let at = 0;
    const ask = async () => {
      at += 1;
      return { code: 0, stdout: String(at / 1_000), stderr: '' };
    };
    expect(describeTimes(await timesOf(ask))).toBe(
      'answered after 6.0 ms (median of 10 requests, name look-up included; slowest 10.0 ms)',
    );
  });

  test('one that gets no answer is an error', async () => {
    const ask = async () => ({ code: 28, stdout: '', stderr: 'curl: (28) timed out' });
    await expect(timesOf(ask)).rejects.toThrow('request 1 of 10 got no answer: curl: (28) timed out');
  });
});

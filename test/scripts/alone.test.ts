import { describe, expect, test } from 'vitest';
import { againAlone, unsteady } from '../../scripts/support/alone.ts';
import type { FileReport } from '../../scripts/support/ring-report.ts';
import type { VitestEnd } from '../../scripts/support/vitest-run.ts';

const aFile = (path: string, failed: boolean): FileReport => ({
  path,
  ring: 'lab',
  failed,
  errors: failed ? ['Error: late'] : [],
  seconds: 1,
  titles: [],
  tests: [],
});
const ended = (...files: FileReport[]): VitestEnd => ({
  report: { files, unhandled: [] },
  code: files.some((file) => file.failed) ? 1 : 0,
});
const passing = async ({ path }: FileReport) => ended({ ...aFile(path, false), ring: '' });

describe('files that failed beside others', () => {
  test('run again alone, and only they; what they say then counts, and what they said before is told', async () => {
    const ran: string[] = [];
    const end = await againAlone(ended(aFile('a', true), aFile('b', false)), (file) => {
      ran.push(file.path);
      return passing(file);
    });
    expect(ran).toEqual(['a']);
    expect(end.code).toBe(0);
    expect(end.report?.files.map(({ failed, ring }) => [failed, ring])).toEqual([
      [false, 'lab'],
      [false, 'lab'],
    ]);
    expect(unsteady(end.report?.files ?? [])).toEqual(['a: outside its tests: Error: late']);
  });

  test('are failures still, when they fail alone too', async () => {
    const end = await againAlone(ended(aFile('a', true)), async () => ended(aFile('a', true)));
    expect(end.code).toBe(1);
    expect(end.report?.files[0]?.failed).toBe(true);
    expect(unsteady(end.report?.files ?? [])).toEqual([]);
  });

  test('are failures still, when the run alone says nothing or an error has no file', async () => {
    const silent = await againAlone(ended(aFile('a', true)), async () => ({ report: undefined, code: 1 }));
    expect(silent).toEqual(ended(aFile('a', true)));
    const homeless = { report: { files: [aFile('a', true)], unhandled: ['Error: nobody awaited'] }, code: 1 };
    expect((await againAlone(homeless, passing)).code).toBe(1);
  });

  test('are left when there are many: then it is not the noise', async () => {
    const many = ended(...['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((path) => aFile(path, true)));
    expect(await againAlone(many, passing)).toBe(many);
  });
});

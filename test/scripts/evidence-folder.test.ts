import { expect, test } from 'vitest';
import { evidenceFolder, resultsFolder } from '../../scripts/support/evidence-folder.ts';
import { inProject } from '../../scripts/support/paths.ts';

test('evidence is left in the project, or where somebody wants it', () => {
  expect(resultsFolder({})).toBe(inProject('test-results'));
  expect(resultsFolder({ SALLYPORT_TEST_RESULTS: '/elsewhere' })).toBe('/elsewhere');
});

test.each([
  ['test/lab/restart.test.ts-when an agent is killed', 'lab-restart-when-an-agent-is-killed'],
  ['test/lab/x.test.ts-../../etc: “quoted” / slashed', 'lab-x-..-..-etc-quoted-slashed'],
  ['../up', 'up'],
  [`test/lab/x.test.ts-${'long '.repeat(40)}`, expect.stringMatching(/^.{1,100}$/)],
])('%s is a name that every file system takes', (name, expected) => {
  expect(evidenceFolder(name, { SALLYPORT_TEST_RESULTS: '/r' }).slice('/r/'.length)).toEqual(expected);
});

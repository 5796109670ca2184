import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { BACKENDS, SETTINGS, TOUR, TRAFFIC } from '../lab/matrix/axes.ts';
import { cellsIn, cellsText, linesWithout, type Row, settingName, WORKS, withCells } from '../lab/matrix/table.ts';
import { VERSIONS } from '../lab/matrix/versions.ts';
import { KUBERNETES_VERSION } from '../lab/tool-list.ts';

const document = readFileSync(inProject('docs/compatibility.md'), 'utf8');
const works = { TCP: WORKS, UDP: WORKS, '10 MB': WORKS };
const allWork = { same: works, other: works, 'host network': works, headless: works };
const everywhere = new Map<string, Row>(SETTINGS.map((setting) => [settingName(setting), allWork]));
const [FIRST, ...REST] = SETTINGS;
if (FIRST === undefined) throw new Error('there is no setting');

test('the document has every setting, with the versions of today, and everything works', () => {
  expect(cellsIn(document)).toBe(cellsText(VERSIONS, everywhere));
});

test('every setting is tried once, and from one to the next one thing alone changes', () => {
  expect(TOUR.map(settingName).sort()).toEqual(SETTINGS.map(settingName).sort());
  const changes = TOUR.slice(1).map((setting, at) => {
    const before = TOUR[at];
    return (['proxyMode', 'dataPlane', 'gateways'] as const).filter((axis) => setting[axis] !== before?.[axis]);
  });
  expect(changes.filter((axes) => axes.length !== 1)).toEqual([]);
});

test.each([...Object.keys(BACKENDS), 'gateway nodes', 'kernel', 'userspace'])('the document explains %s', (word) => {
  expect(document).toContain(`**${word}**`);
});

test('the version of Kubernetes is the one that is built', () => {
  const module = readFileSync(inProject('test/lab/tools/kubernetes/go.mod'), 'utf8');
  expect(module).toContain(`\nrequire k8s.io/kubernetes ${KUBERNETES_VERSION.version}\n`);
});

test('a cell names what got through, or what did not and why', () => {
  const broken = { same: works, other: { ...works, UDP: 'no answer' }, 'host network': works };
  const rows = new Map<string, Row>([[settingName(FIRST), broken]]);
  const [, , , , first = '', second = ''] = cellsText('x', rows).split('\n');
  expect(first).toMatch(/TCP, UDP, 10 MB +\| \*\*UDP: no answer\*\* +\| TCP, UDP, 10 MB +\| not tried +\|$/);
  expect(second.match(/not tried/g)).toHaveLength(4);
});

test('a machine compares the settings that it can try', () => {
  const rows = new Map([...everywhere, [settingName(FIRST), 'needs much that this machine does not have'] as const]);
  const here = cellsText(VERSIONS, rows);
  expect(here).toContain('needs much');
  const there = cellsText(VERSIONS, everywhere);
  expect(linesWithout(here, [])).not.toEqual(linesWithout(there, []));
  expect(linesWithout(here, [FIRST])).toEqual(linesWithout(there, [FIRST]));
  expect(linesWithout(there, [FIRST]).filter((line) => line.includes(TRAFFIC.join(', ')))).toHaveLength(REST.length);
});

test('other cells take the place of those between the marks', () => {
  const text = '# a\n<!-- cells: begin -->\n\nold\n\n<!-- cells: end -->\nb\n';
  expect(withCells(text, 'new $& cells')).toBe(
    '# a\n<!-- cells: begin -->\n\nnew $& cells\n\n<!-- cells: end -->\nb\n',
  );
  expect(() => cellsIn('no marks')).toThrow('lacks the marks');
});

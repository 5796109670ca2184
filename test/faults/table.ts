import { markdownTable } from '../../scripts/support/markdown-table.ts';
import type { Fault } from './fault.ts';
import { promiseText } from './promise.ts';

const HEAD = ['fault', 'WireGuard', 'promise', 'seen'] as const;
/** What a row says that nobody has tried. */
export const NOT_TRIED = 'not tried';

type Named = Pick<Fault, 'what' | 'through' | 'promise' | 'nightly'>;

/** What distinguishes a row. */
export function nameOf({ what, through }: Pick<Fault, 'what' | 'through'>): string {
  return `${what}, ${through}`;
}

/** The table of all faults with what was seen of them, by their names; the same arguments give the same text. */
export function faultsTable(faults: readonly Named[], seen: ReadonlyMap<string, string>): string {
  const lines = faults.map((fault) => [...promiseCells(fault), seen.get(nameOf(fault)) ?? NOT_TRIED]);
  return markdownTable([HEAD, ...lines]);
}

/** What a table of them says was seen, by the names of the rows. */
export function seenIn(table: string): ReadonlyMap<string, string> {
  const rows = table.split('\n').slice(2).map(cellsOf);
  return new Map(
    rows.map(([what = '', through = '', , seen = '']) => [`${what.replace(NIGHTLY, '')}, ${through}`, seen]),
  );
}

/** All that a table promises, without what was seen. */
export function promisesIn(table: string): readonly string[] {
  return table
    .split('\n')
    .filter((_, line) => line !== 1)
    .map((line) => cellsOf(line).slice(0, -1).join(' | '));
}

function promiseCells({ what, through, promise, nightly }: Named): readonly string[] {
  return [`${what}${nightly === undefined ? '' : ' (nightly)'}`, through, promiseText(promise)];
}

const NIGHTLY = / \(nightly\)$/;

function cellsOf(line: string): readonly string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

import { markdownTable } from '../../scripts/support/markdown-table.ts';
import type { Row } from './row.ts';

/** A row as a terminal shows it: the numbers, and below them what they mean. */
export function rowLine(row: Row): string {
  const { name, unit, value, floor, ratio, n, says } = row;
  if (value === undefined) return `${name.padEnd(36)} ${says}`;
  const parts = [
    `${name.padEnd(36)} ${number(value).padStart(9)} ${unit.padEnd(9)}`,
    aim(row) === '' ? '' : `goal ${aim(row)}${isMissed(row) ? ' MISSED' : ''}`,
    floor === undefined ? '' : `floor ${number(floor)}${times(ratio)}`,
    `n=${n}`,
  ];
  return `${parts.filter((part) => part !== '').join('  ')}\n    ${says}`;
}

/** The rows as a table of a document. */
export function rowsTable(rows: readonly Row[]): string {
  const head = ['row', 'value', 'goal', 'floor or rival', 'ratio', 'n', 'what it is'];
  return markdownTable([head, ...rows.map(cells)]);
}

function cells(row: Row): readonly string[] {
  const { name, unit, value, floor, ratio, n, says } = row;
  const measured = value === undefined ? '' : `${number(value)} ${unit}`;
  return [
    `\`${name}\``,
    measured,
    `${aim(row)}${isMissed(row) ? ', missed' : ''}`,
    floor === undefined ? '' : number(floor),
    ratio === undefined ? '' : short(ratio),
    String(n),
    says.replaceAll('|', '\\|'),
  ];
}

function aim({ goal, least }: Row): string {
  if (least !== undefined) return `at least ${number(least)}`;
  return goal === undefined ? '' : String(goal);
}

function isMissed({ value, goal, least }: Row): boolean {
  if (value === undefined) return false;
  return (goal !== undefined && value > goal) || (least !== undefined && value < least);
}

function times(ratio: number | undefined): string {
  return ratio === undefined ? '' : ` (x${short(ratio)})`;
}

function number(value: number): string {
  if (value === 0) return '0';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function short(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : String(Number(ratio.toPrecision(2)));
}

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { commandsGroup } from '../test/bench/commands.ts';
import { meshGroup } from '../test/bench/mesh.ts';
import { planGroup } from '../test/bench/plan.ts';
import type { Row } from '../test/bench/row.ts';
import { sizeGroup } from '../test/bench/size.ts';

/** `npm run bench [NAME…] [-- --json FILE] [-- --markdown FILE]`: measures, prints a table, and writes the rows. */

const GROUPS = [planGroup, commandsGroup, sizeGroup, meshGroup];
const MARKS = ['<!-- rows: begin -->', '<!-- rows: end -->'] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, markdown: { type: 'string' } },
});

const isWanted = (name: string) =>
  positionals.length === 0 || positionals.some((wish) => name.startsWith(wish) || wish.startsWith(name));
const machine = `${cpus().length} processors (${cpus()[0]?.model ?? 'unknown'}), load ${loadavg()[0]?.toFixed(1)} at the start`;
const rows: Row[] = [];
const report = (row: Row) => {
  rows.push(row);
  console.log(line(row));
};

console.log(machine);
for (const group of GROUPS) {
  if (!isWanted(group.name) && !group.rows.some(isWanted)) continue;
  console.log(`\n${group.name}: ${group.rows.join(', ')} …`);
  try {
    await group.measure(report);
  } catch (error) {
    console.error(`${group.name}: not measured: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
if (values.markdown !== undefined) intoMarkdown(values.markdown);
process.exit();

function line({ name, unit, value, goal, floor, ratio, n, says }: Row): string {
  const parts = [
    `${name.padEnd(32)} ${number(value).padStart(9)} ${unit.padEnd(9)}`,
    goal === undefined ? '' : `goal ${goal}${value > goal ? ' MISSED' : ''}`,
    floor === undefined ? '' : `floor ${number(floor)} (x${ratio?.toFixed(1)})`,
    `n=${n}`,
  ];
  return `${parts.filter((part) => part !== '').join('  ')}\n    ${says}`;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Replaces what stands between the marks of a document with this run's table. */
function intoMarkdown(file: string): void {
  const head = '| row | value | goal | floor or rival | ratio | n | what it is |\n|---|---|---|---|---|---|---|';
  const cells = rows.map(({ name, unit, value, goal, floor, ratio, n, says }) =>
    [
      `\`${name}\``,
      `${number(value)} ${unit}`,
      goal ?? '',
      floor === undefined ? '' : number(floor),
      ratio?.toFixed(1) ?? '',
      n,
      says,
    ].join(' | '),
  );
  const table = `${machine}.\n\n${head}\n${cells.map((cell) => `| ${cell} |`).join('\n')}`;
  const text = readFileSync(file, 'utf8');
  const [before = ''] = text.split(MARKS[0]);
  const after = text.split(MARKS[1])[1] ?? '\n';
  writeFileSync(file, `${before}${MARKS[0]}\n${table}\n${MARKS[1]}${after}`);
}

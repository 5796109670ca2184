import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { auditGroup } from '../test/bench/audit.ts';
import { commandsGroup } from '../test/bench/commands.ts';
import { endFlowsGroup } from '../test/bench/end-flows.ts';
import { grantsGroup } from '../test/bench/grants.ts';
import { kernelBytesGroup } from '../test/bench/kernel-bytes.ts';
import { laptopGroup } from '../test/bench/laptop.ts';
import { lossGroup } from '../test/bench/loss.ts';
import { lostLaptopGroup } from '../test/bench/lost-laptop.ts';
import { meshGroup } from '../test/bench/mesh.ts';
import { planGroup } from '../test/bench/plan.ts';
import { type Group, type Row, unmeasured } from '../test/bench/row.ts';
import { scaleTakeoverGroup } from '../test/bench/scale-takeover.ts';
import { sizeGroup } from '../test/bench/size.ts';
import { rowLine, rowsTable } from '../test/bench/table.ts';
import { takeoverGroup } from '../test/bench/takeover.ts';
import { interruption } from './support/interrupt.ts';
import { parseWords, refuseWords } from './support/words.ts';

const USAGE =
  'npm run bench -- [NAME…] [--json FILE] [--markdown FILE]   measures all, or groups and rows by the beginnings of their names';

const GROUPS = [
  planGroup,
  commandsGroup,
  grantsGroup,
  endFlowsGroup,
  auditGroup,
  sizeGroup,
  kernelBytesGroup,
  lossGroup,
  lostLaptopGroup,
  meshGroup,
  laptopGroup,
  takeoverGroup,
  scaleTakeoverGroup,
];
const MARKS = ['<!-- rows: begin -->', '<!-- rows: end -->'] as const;

const { values, positionals } = parseWords(
  { allowPositionals: true, options: { json: { type: 'string' }, markdown: { type: 'string' } } },
  USAGE,
);
const rows: Row[] = [];

// What a group made goes with this process: the lab has a guard, and a namespace dies with whoever opened it.
interruption((name) => {
  console.error(`${name}: stopping`);
  process.exit(130);
});
refuseUnknown();
const machine = machineLine();
console.log(machine);
for (const group of GROUPS) await measure(group);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
if (values.markdown !== undefined) intoMarkdown(values.markdown);
process.exit(rows.some(({ value }) => value === undefined) ? 1 : 0);

async function measure(group: Group): Promise<void> {
  const isWanted = (name: string) =>
    positionals.length === 0 || positionals.some((wish) => name.startsWith(wish) || group.name.startsWith(wish));
  const wanted = group.rows.filter(isWanted);
  if (wanted.length === 0) return;
  const reported = new Set<string>();
  const report = (row: Row) => {
    if (!wanted.includes(row.name) || reported.has(row.name)) return;
    reported.add(row.name);
    rows.push(row);
    console.log(rowLine(row));
  };
  console.log(`\n${group.name}: ${wanted.join(', ')} …`);
  let why: unknown = 'nobody measured it';
  try {
    await group.measure(report, isWanted);
  } catch (error) {
    why = error;
  }
  for (const name of wanted) if (!reported.has(name)) report(unmeasured(name, why));
}

/** A name that selects nothing is a slip of the pen. */
function refuseUnknown(): void {
  const names = GROUPS.flatMap(({ name, rows }) => [name, ...rows]);
  const unknown = positionals.filter((wish) => !names.some((name) => name.startsWith(wish)));
  if (unknown.length === 0) return;
  refuseWords(`No row or group begins with ${unknown.join(', ')}; there are:\n  ${names.join('\n  ')}`, USAGE);
}

/** Numbers mean nothing without what they were measured on. */
function machineLine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  const load = loadavg()[0]?.toFixed(1);
  return `${cpus().length} processors (${cpus()[0]?.model ?? 'unknown'}), ${memory} GiB, Node.js ${process.version}, load average ${load} at the start`;
}

/** Replaces what stands between the marks of a document with this run's table. */
function intoMarkdown(file: string): void {
  const text = readFileSync(file, 'utf8');
  const [before = '', rest] = text.split(MARKS[0]);
  const after = rest?.split(MARKS[1])[1];
  if (after === undefined) throw new Error(`${file} lacks the marks ${MARKS.join(' and ')}`);
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(
    file,
    `${before}${MARKS[0]}\n\nMeasured on ${date}: ${machine}.\n\n${rowsTable(rows)}\n\n${MARKS[1]}${after}`,
  );
}

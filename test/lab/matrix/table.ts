import { markdownTable } from '../../../scripts/support/markdown-table.ts';
import { BACKENDS, type Backend, SETTINGS, type Setting, TRAFFIC, type Traffic } from './axes.ts';

/** What came of the traffic of one cell: 'works', or what was seen instead. */
export type Cell = Readonly<Record<Traffic, string>>;

/** The cells of one setting, as far as they were tried; or why none of them can be tried. */
export type Row = Readonly<Partial<Record<Backend, Cell>>> | string;

export const WORKS = 'works';
/** What a cell says that nobody has tried. */
export const NOT_TRIED = 'not tried';

const MARKS = ['<!-- cells: begin -->', '<!-- cells: end -->'] as const;
const COLUMNS = Object.keys(BACKENDS) as readonly Backend[];

/** What a table calls a setting. */
export function settingName({ proxyMode, dataPlane, gateways }: Setting): string {
  return `${proxyMode}, ${dataPlane}, ${gateways}`;
}

/** With what the cells were seen, and the cells; the same arguments give the same text. */
export function cellsText(versions: string, rows: ReadonlyMap<string, Row>): string {
  const header = ['kube-proxy', 'WireGuard', 'gateway nodes', ...COLUMNS];
  const lines = SETTINGS.map((setting) => {
    const row = rows.get(settingName(setting));
    const { proxyMode, dataPlane, gateways } = setting;
    return [proxyMode, dataPlane, String(gateways), ...COLUMNS.map((backend) => cellText(row, backend))];
  });
  return `Seen with ${versions}.\n\n${markdownTable([header, ...lines])}`;
}

/** The lines of a text of cells, without those of some settings: for a machine that cannot try them. */
export function linesWithout(text: string, left: readonly Setting[]): readonly string[] {
  const names = new Set(left.map(settingName));
  const lines = text.split('\n').map((line) => line.split('|').map((cell) => cell.trim().replace(/-+/, '-')));
  return lines.filter((cells) => !names.has(cells.slice(1, 4).join(', '))).map((cells) => cells.join('|'));
}

/** The text that a document holds between its marks. @throws Error when it has no marks */
export function cellsIn(document: string): string {
  const [, rest] = document.split(MARKS[0]);
  const [text, after] = rest?.split(MARKS[1]) ?? [];
  if (text === undefined || after === undefined) throw new Error(`the document lacks the marks ${MARKS.join(' and ')}`);
  return text.trim();
}

/** The document with another text between its marks. */
export function withCells(document: string, text: string): string {
  return document.replace(cellsIn(document), () => text);
}

function cellText(row: Row | undefined, backend: Backend): string {
  if (typeof row === 'string') return row;
  const cell = row?.[backend];
  if (cell === undefined) return NOT_TRIED;
  const broken = TRAFFIC.filter((traffic) => cell[traffic] !== WORKS);
  if (broken.length === 0) return TRAFFIC.join(', ');
  return broken.map((traffic) => `**${traffic}: ${cell[traffic]}**`).join('; ');
}

import type { Diagnosis, Hop } from '../../laptop/doctor/diagnose.ts';
import { styled } from '../output.ts';

type Styled = (format: Parameters<typeof styled>[0], text: string) => string;

const MARKS = { ok: '✓', broken: '✗', unknown: '?', skipped: '-' } as const;
const FORMATS = { ok: 'green', broken: 'red', unknown: 'yellow', skipped: 'dim' } as const;

/** The hops as a table, and below it what is broken first and what mends it. */
export function diagnosisText({ profile, hops, verdict }: Diagnosis, style: Styled = styled): string {
  const width = Math.max(...hops.map(({ hop }) => hop.length));
  const rows = hops.map((hop) => row(hop, width, style));
  return [style('bold', profile), ...rows, '', ...conclusion(hops, verdict, style)].join('\n');
}

function row({ hop, status, why }: Hop, width: number, style: Styled): string {
  const text = `${hop.padEnd(width)}  ${why}`;
  return `  ${style(FORMATS[status], MARKS[status])} ${status === 'skipped' ? style('dim', text) : text}`;
}

function conclusion(hops: Diagnosis['hops'], verdict: Diagnosis['verdict'], style: Styled): readonly string[] {
  if (verdict !== undefined)
    return [
      `${style('red', 'Broken')} at ${style('bold', verdict.hop)}: ${verdict.why}.`,
      `Mend it: ${style('bold', verdict.mend)}`,
    ];
  const unseen = hops.filter(({ status }) => status === 'unknown').map(({ hop }) => hop);
  const but = unseen.length === 0 ? '' : `; not seen: ${unseen.join(', ')}`;
  return [`${style('green', 'All that was looked at works')}${but}.`];
}

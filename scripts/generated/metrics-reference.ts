import { AGENT_METRICS } from '../../src/agent/metrics.ts';
import { OPERATOR_METRICS } from '../../src/operator/metrics.ts';
import type { MetricDefinition } from '../../src/runtime/metrics.ts';
import { PROGRAM_METRICS } from '../../src/runtime/program-metrics.ts';
import { markdownTable } from '../support/markdown-table.ts';

/** Every metric, in Markdown, by the program that has it. */
export function metricsReference(): string {
  return [
    '<!-- Printed from the definitions in src by `npm run update`. -->',
    '# Metrics',
    'What operator and agents answer at `/metrics`. [docs/metrics.md](../metrics.md) says where they do, and whom. A counter whose labels can only say what stands here is there from the beginning, at 0.',
    '## Agents, one for each gateway node',
    table(AGENT_METRICS),
    '## Operator',
    'But for `sallyport_operator_leader`, gauges are those of the operator that leads.',
    table(OPERATOR_METRICS),
    '## Both',
    table(PROGRAM_METRICS),
  ]
    .join('\n\n')
    .concat('\n');
}

function table(definitions: Readonly<Record<string, MetricDefinition>>): string {
  const rows = Object.values(definitions).map(({ name, type, help, labels = {} }) => [
    `\`${name}\``,
    type,
    [help, ...Object.entries(labels).map(labelText)].join('<br>'),
  ]);
  return markdownTable([['Metric', 'Type', 'Meaning'], ...rows]);
}

function labelText([label, values]: readonly [string, readonly string[] | string]): string {
  if (typeof values === 'string') return `\`${label}\`: ${values}`;
  return `\`${label}\`: ${values.map((value) => `\`${value}\``).join(', ')}`;
}

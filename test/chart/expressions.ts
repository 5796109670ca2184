import { AGENT_METRICS } from '../../src/agent/metrics.ts';
import { OPERATOR_METRICS } from '../../src/operator/metrics.ts';
import type { MetricDefinition } from '../../src/runtime/metrics.ts';
import { PROGRAM_METRICS } from '../../src/runtime/program-metrics.ts';

/** Every metric that there is. */
export const DEFINED: readonly MetricDefinition[] = [AGENT_METRICS, OPERATOR_METRICS, PROGRAM_METRICS].flatMap(
  (definitions) => Object.values(definitions) as readonly MetricDefinition[],
);

/** What Prometheus adds to each series by itself, or as the PodMonitors say. */
const TARGET_LABELS = ['instance', 'job', 'pod', 'namespace', 'gateway'];

/** The series of a metric by their names, each with the labels that it has. */
const SERIES = new Map<string, MetricDefinition>(
  DEFINED.flatMap((metric) =>
    (metric.type === 'histogram' ? ['_bucket', '_count', '_sum'] : ['']).map(
      (suffix) => [`${metric.name}${suffix}`, metric] as const,
    ),
  ),
);

/** What of a PromQL expression asks for something that does not exist, in words; nothing where all of it does. */
export function unknownIn(expression: string): readonly string[] {
  const used = [...expression.matchAll(/\b((?:sallyport|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)];
  if (used.length === 0) return [`no metric in ${expression}`];
  const wrong = used.flatMap(([, name = '', matchers = '']) => {
    const metric = SERIES.get(name);
    return metric === undefined ? [`no metric ${name}`] : unknownMatchers(metric, matchers);
  });
  const labels = used.flatMap(([, name = '']) => labelsOf(SERIES.get(name)));
  const named = [...expression.matchAll(/\b(?:by|on|group_left|without)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  );
  return [...wrong, ...named.filter((label) => !labels.includes(label)).map((label) => `no label ${label}`)];
}

function labelsOf(metric: MetricDefinition | undefined): readonly string[] {
  return [...TARGET_LABELS, ...Object.keys(metric?.labels ?? {}), ...(metric?.type === 'histogram' ? ['le'] : [])];
}

function unknownMatchers({ name, labels = {} }: MetricDefinition, matchers: string): readonly string[] {
  return [...matchers.matchAll(/([a-z_]+)\s*(?:=|!=)\s*"([^"]*)"/g)].flatMap(([, label = '', value = '']) => {
    const values = labels[label];
    if (values === undefined) return TARGET_LABELS.includes(label) ? [] : [`${name} has no label ${label}`];
    return typeof values === 'string' || values.includes(value) ? [] : [`${name} never has ${label}="${value}"`];
  });
}

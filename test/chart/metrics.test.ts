import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { inProject } from '../../scripts/support/paths.ts';
import { DEFINED, unknownIn } from './expressions.ts';
import { CHART, HELM, helm, NEEDS_HELM, one, type Rendered, render } from './helm.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const { groups } = parse(readFileSync(join(CHART, 'files/alerts.yaml'), 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(join(CHART, 'files/dashboard.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
};
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr] as const),
);

describe('metrics', () => {
  test.each(DEFINED)('$name is named by the conventions', ({ name, type, help, labels = {} }) => {
    expect(name).toMatch(/^(sallyport(_agent|_operator)?|process)_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    // Base units alone, so that nobody divides.
    expect(name).not.toMatch(/milli|micro|kilo|mega|minutes|hours|percent/);
    if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/);
    expect(help).toMatch(/^[A-Z0-9].*[.]$/);
    expect(Object.keys(labels)).not.toContain('le');
  });

  test('none is defined twice', () => {
    expect(new Set(DEFINED.map(({ name }) => name)).size).toBe(DEFINED.length);
  });
});

describe('what is asked of expressions', () => {
  test.each([
    ['rate(sallyport_agent_probes_total[5m])', []],
    ['sallyport_agent_probe', ['no metric sallyport_agent_probe']],
    ['sallyport_agent_apply_duration_seconds', ['no metric sallyport_agent_apply_duration_seconds']],
    ['sum by (step) (sallyport_agent_probes_total)', ['no label step']],
    ['sallyport_agent_peers{state="lost"}', ['sallyport_agent_peers never has state="lost"']],
    ['sallyport_agent_peers{kind="x"}', ['sallyport_agent_peers has no label kind']],
    ['up == 0', ['no metric in up == 0']],
  ])('%s', (expression, problems) => {
    expect(unknownIn(expression)).toEqual(problems);
  });
});

describe('alerts', () => {
  const page = readFileSync(inProject('docs/alerts.md'), 'utf8');

  test.each(rules)('$alert asks for what there is', ({ expr }) => {
    expect(unknownIn(expr)).toEqual([]);
  });

  test.each(rules)('$alert says what it means and how bad it is', ({ labels, annotations }) => {
    expect(['critical', 'warning', 'info']).toContain(labels.severity);
    expect(annotations).toEqual({
      summary: expect.stringMatching(/[.]$/),
      description: expect.stringMatching(/[.]$/),
    });
  });

  test('and docs/alerts.md name the same ones', () => {
    const headings = [...page.matchAll(/^## (Sallyport\w+)$/gm)].map(([, name]) => name);
    expect(headings).toEqual(rules.map(({ alert }) => alert));
  });
});

describe('the dashboard', () => {
  test.each(queries)('%s asks for what there is: %s', (_title, expr) => {
    expect(unknownIn(expr)).toEqual([]);
  });

  test('has each panel once, in a place of its own', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  test('shows every metric that no alert is about, but for those of single devices', () => {
    const shown = [...queries.map(([, expr]) => expr), ...rules.map(({ expr }) => expr)].join('\n');
    const hidden = DEFINED.filter(({ name }) => !new RegExp(`\\b${name}(_bucket)?\\b`).test(shown));
    expect(hidden.map(({ name }) => name)).toEqual([
      'sallyport_agent_device_received_bytes_total',
      'sallyport_agent_device_sent_bytes_total',
      'sallyport_agent_devices_left_out',
      'sallyport_agent_reading_failures_total',
      'process_start_time_seconds',
    ]);
  });
});

describe.skipIf(HELM === undefined)(`what the chart brings to Prometheus and Grafana${NEEDS_HELM}`, () => {
  const ours = (objects: readonly Rendered[]) =>
    objects
      .filter(({ apiVersion, metadata }) => /monitoring/.test(apiVersion) || /dashboard/.test(metadata.name))
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);

  test('is nothing unless it is asked for: clusters without their operator would refuse it', async () => {
    expect(ours(await render())).toEqual([]);
  });

  const all = {
    agents: { listen: 'Node' },
    podMonitor: { enabled: true, labels: { release: 'prometheus' } },
    rules: { enabled: true, runbooks: 'https://example.test/alerts' },
    dashboard: { enabled: true, annotations: { folder: 'Network' } },
  };

  test('finds pods by the labels that they have, and the port by its name', async () => {
    const objects = await render({ metrics: all });
    expect(ours(objects).sort()).toEqual([
      'ConfigMap sallyport-dashboard',
      'PodMonitor sallyport-agent',
      'PodMonitor sallyport-operator',
      'PrometheusRule sallyport',
    ]);
    const monitor = one(objects, 'PodMonitor', 'sallyport-operator');
    const { selector, podMetricsEndpoints } = monitor.spec as {
      readonly selector: { readonly matchLabels: object };
      readonly podMetricsEndpoints: readonly object[];
    };
    const { template } = one(objects, 'Deployment', 'sallyport-operator').spec as { readonly template: Rendered };
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
    expect(podMetricsEndpoints).toEqual([{ port: 'metrics', interval: '30s' }]);
    expect(monitor.metadata.labels).toMatchObject({ release: 'prometheus' });
    expect(one(objects, 'PodMonitor', 'sallyport-agent').spec).toMatchObject({
      selector: { matchLabels: { 'app.kubernetes.io/name': 'sallyport', 'app.kubernetes.io/component': 'agent' } },
      podMetricsEndpoints: [{ port: 'metrics' }],
    });
  });

  test('is scraped as often as it is said', async () => {
    const podMonitor = { enabled: true, interval: '1m30s' };
    const monitor = one(await render({ metrics: { ...all, podMonitor } }), 'PodMonitor', 'sallyport-operator');
    expect(monitor.spec).toMatchObject({ podMetricsEndpoints: [{ interval: '1m30s' }] });
  });

  test('leads each alert to what to do about it', async () => {
    const { spec } = one(await render({ metrics: all }), 'PrometheusRule', 'sallyport') as unknown as {
      readonly spec: { readonly groups: typeof groups };
    };
    const rendered = spec.groups.flatMap((group) => group.rules);
    expect(rendered.map(({ annotations }) => annotations.runbook_url)).toEqual(
      rules.map(({ alert }) => `https://example.test/alerts#${alert.toLowerCase()}`),
    );
    // Braces are Prometheus', not Helm's.
    expect(rendered.map(({ alert, expr, labels }) => ({ alert, expr, labels }))).toEqual(
      rules.map(({ alert, expr, labels }) => ({ alert, expr, labels })),
    );
    expect(rendered.map(({ annotations }) => annotations.summary)).toEqual(
      rules.map(({ annotations }) => annotations.summary),
    );
  });

  test('holds the dashboard as it is', async () => {
    const { data, metadata } = one(await render({ metrics: all }), 'ConfigMap', 'sallyport-dashboard') as unknown as {
      readonly data: Readonly<Record<string, string>>;
      readonly metadata: Rendered['metadata'];
    };
    expect(JSON.parse(data['sallyport.json'] ?? '')).toEqual(dashboard);
    expect(metadata).toMatchObject({ labels: { grafana_dashboard: '1' }, annotations: { folder: 'Network' } });
  });

  test.each(['podMonitor', 'rules'])('is refused where Prometheus could not reach the agents: %s', async (part) => {
    const { code, stderr } = await helm(['template', 'sallyport', CHART], { metrics: { [part]: { enabled: true } } });
    expect(code).not.toBe(0);
    expect(stderr).toContain(`metrics.${part}.enabled: agents answer on`);
    expect(stderr).toContain('set metrics.agents.listen to Node, or to None');
  });

  test("is the operator's alone where agents do not listen", async () => {
    const operatorAlone = await render({ metrics: { agents: { listen: 'None' }, podMonitor: { enabled: true } } });
    expect(ours(operatorAlone)).toEqual(['PodMonitor sallyport-operator']);
    const noAgents = await render({ metrics: { agents: { listen: 'None' }, rules: { enabled: true } } });
    const { spec } = one(noAgents, 'PrometheusRule', 'sallyport') as unknown as {
      readonly spec: { readonly groups: readonly { readonly name: string }[] };
    };
    expect(spec.groups.map(({ name }) => name)).toEqual(['sallyport-operator']);
  });

  test.each([
    [{ rules: { enabled: true } }, true],
    [{ rules: { enabled: true }, podMonitor: { enabled: true } }, false],
    [{}, false],
  ])('with %j it is said that somebody must scrape: %s', async (given, isSaid) => {
    const words = ['install', 'sallyport', CHART, '--dry-run=client'];
    const { code, stdout } = await helm(words, { metrics: { agents: { listen: 'Node' }, ...given } });
    expect([code, stdout.includes('SallyportNoLeader fires for ever')]).toEqual([0, isSaid]);
  });
});

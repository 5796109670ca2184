import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { inProject } from '../../scripts/support/paths.ts';
import { AGENT_METRICS } from '../../src/agent/metrics.ts';
import { OPERATOR_METRICS } from '../../src/operator/metrics.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import { serveMetrics } from '../../src/runtime/metrics-listener.ts';
import { tellProgram } from '../../src/runtime/program-metrics.ts';
import { run, TIED } from '../lab/exec.ts';
import { because } from '../support/because.ts';
import { freePort } from '../support/free-port.ts';
import { ALERT_STORIES, type AlertStory } from './alert-stories.ts';
import { unpackedPackage } from './debian-package.ts';

const RULES = inProject('charts/sallyport/files/alerts.yaml');
const DASHBOARD = inProject('charts/sallyport/files/dashboard.json');

const prometheus = await unpackedPackage('prometheus').catch((error: Error) => {
  console.warn(`SKIPPED prometheus: ${error.message}`);
  return error;
});
const missing = prometheus instanceof Error ? prometheus.message : undefined;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-prometheus-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What promtool says of these words, and how it ends. */
async function promtool(
  words: readonly string[],
  input?: string,
): Promise<{ readonly code: number; readonly said: string }> {
  const given = input === undefined ? {} : { input };
  const { code, stdout, stderr } = await run([join(String(prometheus), 'usr/bin/promtool'), ...words], given);
  return { code, said: `${stdout}${stderr}` };
}

function written(name: string, value: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, stringify(value));
  return file;
}

/** Runs Prometheus on this page and these rules; the answer asks it, as Grafana does. */
async function scraping(page: string, signal: AbortSignal): Promise<(query: string) => Promise<readonly string[]>> {
  const config = written('prometheus.yaml', {
    global: { scrape_interval: '200ms', scrape_timeout: '200ms', evaluation_interval: '200ms' },
    rule_files: [RULES],
    scrape_configs: [{ job_name: 'sallyport', static_configs: [{ targets: [page] }] }],
  });
  const port = await freePort();
  const words = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`];
  const argv = [join(String(prometheus), 'usr/bin/prometheus'), ...words, `--web.listen-address=127.0.0.1:${port}`];
  void run([...TIED, ...argv], { signal }).catch(() => undefined);
  return async (query) => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
    const answer = await fetch(url).then(
      (response) => response.json() as Promise<Answered>,
      () => undefined,
    );
    return answer?.data?.result.map(({ value }) => value[1]) ?? [];
  };
}

interface Answered {
  readonly data?: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** How many alerts of this name fire at a minute. */
const firing = (alert: string, minute: number, count: 0 | 1) => ({
  expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
  eval_time: `${minute}m`,
  exp_samples: count === 0 ? [] : [{ labels: '{}', value: count }],
});

const storyTest = ({ alert, series, quietAt, firingAt }: AlertStory) => ({
  name: alert,
  interval: '1m',
  input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
  promql_expr_test: [firing(alert, quietAt, 0), firing(alert, firingAt, 1)],
});

describe.skipIf(missing !== undefined)(`Prometheus' own program${because(missing)}`, () => {
  test('takes the alerts', async () => {
    const { groups } = parse(readFileSync(RULES, 'utf8')) as {
      readonly groups: readonly { readonly rules: unknown[] }[];
    };
    const count = groups.reduce((sum, { rules }) => sum + rules.length, 0);
    const { code, said } = await promtool(['check', 'rules', RULES]);
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining(`SUCCESS: ${count} rules found`) });
    expect(ALERT_STORIES).toHaveLength(count);
  });

  test('raises each alert once what it is about has lasted, and not sooner', async () => {
    const tests = written('stories.yaml', {
      rule_files: [RULES],
      evaluation_interval: '1m',
      tests: ALERT_STORIES.map(storyTest),
    });
    expect(await promtool(['test', 'rules', tests])).toEqual({ code: 0, said: expect.stringContaining('SUCCESS') });
  });

  test('takes every query of the dashboard', async () => {
    const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
      readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
    };
    const queries = panels.flatMap(({ targets = [] }) =>
      targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')),
    );
    const rules = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
    const file = written('queries.yaml', { groups: [{ name: 'dashboard', rules }] });
    expect(await promtool(['check', 'rules', file])).toMatchObject({ code: 0 });
    expect(queries.length).toBeGreaterThan(20);
  });

  test('reads the page as it is served, types and meanings included', async () => {
    const ending = new AbortController();
    onTestFinished(() => ending.abort());
    const metrics = new Metrics();
    metrics.define(AGENT_METRICS).conditions.set({ condition: 'ServicesReachable' }, 0);
    const port = await freePort();
    const log = createLog({ level: 'silent' });
    await serveMetrics({ port, hosts: ['127.0.0.1'], metrics, clock: systemClock, log, signal: ending.signal });
    const ask = await scraping(`127.0.0.1:${port}`, ending.signal);
    const condition = () => ask('sallyport_agent_condition{condition="ServicesReachable"}');
    await expect.poll(condition, { timeout: 10_000 }).toEqual(['0']);
    expect(await ask('up')).toEqual(['1']);
    const pending = () => ask('ALERTS{alertname="SallyportServicesUnreachable",alertstate="pending"}');
    await expect.poll(pending, { timeout: 5_000 }).toEqual(['1']);
  });

  test.each([
    ['agent', AGENT_METRICS],
    ['operator', OPERATOR_METRICS],
  ] as const)("takes the %s's page, and has nothing to say of its names", async (program, definitions) => {
    const metrics = new Metrics();
    tellProgram(metrics, program);
    metrics.define(definitions);
    expect(await promtool(['check', 'metrics'], (await metrics.page()).text)).toEqual({ code: 0, said: '' });
  });
});

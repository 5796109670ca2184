import { describe, expect, test } from 'vitest';
import { Metrics } from '../../src/runtime/metrics.ts';
import { tellProgram } from '../../src/runtime/program-metrics.ts';
import { samplesOf } from '../support/metrics-page.ts';

const DEFINITIONS = {
  made: { type: 'counter', name: 'x_made_total', help: 'Made.', labels: { by: ['hand', 'machine'] } },
  kinds: { type: 'counter', name: 'x_kinds_total', help: 'Kinds.', labels: { kind: 'any' } },
  stock: { type: 'gauge', name: 'x_stock', help: 'Left.', labels: { place: 'any' } },
  level: { type: 'gauge', name: 'x_level', help: 'Level.' },
  took: { type: 'histogram', name: 'x_took_seconds', help: 'Time.', buckets: [0.1, 1] },
} as const;

const page = async (metrics: Metrics) => samplesOf((await metrics.page()).text);

describe('a page of metrics', () => {
  test('holds what was written, in the text format', async () => {
    const metrics = new Metrics();
    const { made, stock, took } = metrics.define(DEFINITIONS);
    made.add({ by: 'hand' });
    made.add({ by: 'hand' }, 2);
    stock.set({ place: 'a "quoted" \\ place\n' }, 7);
    took.observe({}, 0.5);
    const { text, contentType } = await metrics.page();
    expect(contentType).toMatch(/^text\/plain; version=/);
    expect(text).toContain('# HELP x_made_total Made.\n# TYPE x_made_total counter\n');
    expect(Object.fromEntries(samplesOf(text))).toMatchObject({
      'x_made_total{by="hand"}': 3,
      'x_stock{place="a \\"quoted\\" \\\\ place\\n"}': 7,
      'x_took_seconds_bucket{le="0.1"}': 0,
      'x_took_seconds_bucket{le="1"}': 1,
      x_took_seconds_count: 1,
    });
  });

  test('shows a counter at 0 before the first event, where all that its labels may say is known', async () => {
    const metrics = new Metrics();
    metrics.define(DEFINITIONS);
    const samples = await page(metrics);
    expect(samples.get('x_made_total{by="machine"}')).toBe(0);
    expect([...samples.keys()].filter((name) => name.startsWith('x_kinds'))).toEqual([]);
  });

  test('shows a gauge only while somebody has said what it is', async () => {
    const metrics = new Metrics();
    const { level } = metrics.define(DEFINITIONS);
    expect((await page(metrics)).has('x_level')).toBe(false);
    level.set({}, 0);
    expect((await page(metrics)).get('x_level')).toBe(0);
    level.clear();
    expect((await page(metrics)).has('x_level')).toBe(false);
  });

  test('forgets what was cleared, and asks readers anew each time', async () => {
    const metrics = new Metrics();
    const { stock } = metrics.define(DEFINITIONS);
    const places = ['a', 'b'];
    metrics.beforePage(() => {
      stock.clear();
      const place = places.shift();
      if (place !== undefined) stock.set({ place }, 1);
    });
    const shown = async () => [...(await page(metrics)).keys()].filter((name) => name.startsWith('x_stock'));
    expect(await shown()).toEqual(['x_stock{place="a"}']);
    expect(await shown()).toEqual(['x_stock{place="b"}']);
    expect(await shown()).toEqual([]);
  });

  test('shares nothing with another one of the process', async () => {
    const [one, other] = [new Metrics(), new Metrics()];
    one.define(DEFINITIONS).made.add({ by: 'hand' });
    other.define(DEFINITIONS);
    expect((await page(other)).get('x_made_total{by="hand"}')).toBe(0);
  });

  test('is refused a name that is taken', () => {
    const metrics = new Metrics();
    metrics.define(DEFINITIONS);
    expect(() => metrics.define(DEFINITIONS)).toThrow(/x_made_total/);
  });

  test('says what runs, since when and at which cost', async () => {
    const metrics = new Metrics();
    tellProgram(metrics, 'agent');
    const [first, second] = [await page(metrics), await page(metrics)];
    expect(first.get(`sallyport_build_info{program="agent",version="unbuilt",nodejs="${process.version}"}`)).toBe(1);
    expect(first.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(
      Math.abs((first.get('process_start_time_seconds') ?? 0) + process.uptime() - Date.now() / 1_000),
    ).toBeLessThan(3);
    expect(second.get('process_cpu_seconds_total')).toBeGreaterThanOrEqual(
      first.get('process_cpu_seconds_total') ?? 1e9,
    );
  });
});

import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';

/** One metric as it is documented and exposed; names and units by Prometheus' conventions (https://prometheus.io/docs/practices/naming/). */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  /** Each label with all that it may say, or with a phrase for what it says where that is not known before. */
  readonly labels?: Readonly<Record<string, readonly string[] | string>>;
  /** Upper bounds of a histogram, in its unit. */
  readonly buckets?: readonly number[];
}

/** One value of each label. */
export type LabelsOf<D extends MetricDefinition> =
  D extends Readonly<{ labels: infer L }>
    ? { readonly [K in keyof L]: L[K] extends readonly (infer V)[] ? V : string }
    : Readonly<Record<string, never>>;

/** How a metric is written to; `clear` forgets every value. */
export type Instrument<D extends MetricDefinition> = D extends { type: 'counter' }
  ? { add(labels: LabelsOf<D>, by?: number): void; clear(): void }
  : D extends { type: 'gauge' }
    ? { set(labels: LabelsOf<D>, value: number): void; clear(): void }
    : { observe(labels: LabelsOf<D>, value: number): void };

export type Instruments<D extends Readonly<Record<string, MetricDefinition>>> = {
  readonly [K in keyof D]: Instrument<D[K]>;
};

/** What is written on a page for Prometheus. No two of a process know of each other. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #readers: (() => void | Promise<void>)[] = [];

  /**
   * Puts these on the page. A counter whose labels can only say what is known begins at 0, so that the first event is a change; a gauge is
   * absent until it is set. @throws when a name is taken or unfit.
   */
  define<const D extends Readonly<Record<string, MetricDefinition>>>(definitions: D): Instruments<D> {
    const made = Object.entries(definitions).map(([key, definition]) => [key, this.#make(definition)] as const);
    return Object.fromEntries(made) as unknown as Instruments<D>;
  }

  /** Has `read` called before each page, one page at a time, to write what is looked up and not told. */
  beforePage(read: () => void | Promise<void>): void {
    this.#readers.push(read);
  }

  /** The page, in the text format of Prometheus. @throws what a reader throws. */
  async page(): Promise<{ readonly contentType: string; readonly text: string }> {
    for (const read of this.#readers) await read();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #make({ type, name, help, labels = {}, buckets }: MetricDefinition): unknown {
    const settings = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
    if (type === 'counter') {
      const counter = new Counter<string>(settings);
      for (const known of everyCombination(labels)) counter.inc(known, 0);
      return {
        add: (values: Record<string, string>, by = 1) => counter.inc(values, by),
        clear: () => counter.reset(),
      };
    }
    if (type === 'gauge') {
      const gauge = new Gauge<string>(settings);
      // The library shows a gauge without labels as 0 before anybody has said so.
      const clear = () => (Object.keys(labels).length === 0 ? gauge.remove() : gauge.reset());
      clear();
      return { set: (values: Record<string, string>, to: number) => gauge.set(values, to), clear };
    }
    const histogram = new Histogram<string>({
      ...settings,
      ...(buckets === undefined ? {} : { buckets: [...buckets] }),
    });
    return { observe: (values: Record<string, string>, value: number) => histogram.observe(values, value) };
  }
}

/** Every way to fill the labels; none where one of them may say anything. */
function everyCombination(labels: NonNullable<MetricDefinition['labels']>): readonly Record<string, string>[] {
  let all: readonly Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    const known = typeof values === 'string' ? [] : values;
    all = all.flatMap((one) => known.map((value) => ({ ...one, [label]: value })));
  }
  return all;
}

/** One measured number, beside what it is measured against. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** Undefined where it could not be measured; `says` tells why. */
  readonly value?: number | undefined;
  /** The most that the number may be; undefined where there is no goal. */
  readonly goal?: number | undefined;
  /** The least that it may be, where more is better. */
  readonly least?: number | undefined;
  /** What the machine itself, or a rival, needs for the same in this very run. */
  readonly floor?: number | undefined;
  readonly ratio?: number | undefined;
  /** How many measurements the number stands for. */
  readonly n: number;
  /** What the floor or the rival is, and what else the number needs to be understood. */
  readonly says: string;
}

export type Report = (row: Row) => void;

/** Numbers that are measured together. */
export interface Group {
  readonly name: string;
  /** The rows that it yields, in their order, for choosing by name. */
  readonly rows: readonly string[];
  /** Measures at least the rows that are wanted. What throws leaves the rows that are not reported yet unmeasured. */
  measure(report: Report, isWanted: (row: string) => boolean): Promise<void>;
}

/** A row with its ratio worked out. */
export function row(parts: Omit<Row, 'ratio'>): Row {
  const { value, floor } = parts;
  return floor === undefined || floor === 0 || value === undefined ? parts : { ...parts, ratio: value / floor };
}

/** What stands for a row that could not be measured. */
export function unmeasured(name: string, why: unknown): Row {
  return { name, unit: '', n: 0, says: `not measured: ${why instanceof Error ? why.message : why}` };
}

/** The value below which this share (0 to 1) of the numbers lies, by the nearest rank. @throws for no numbers */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** How long something takes, in milliseconds, each time. */
export function times(n: number, act: (index: number) => void): readonly number[] {
  return Array.from({ length: n }, (_, index) => {
    const start = performance.now();
    act(index);
    return performance.now() - start;
  });
}

/** A column of `kubectl get`; columns with a priority above 0 show with `-o wide` only. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly description: string;
  readonly jsonPath: string;
  readonly priority?: number;
}

/** A column that shows one part of a condition. */
export function conditionColumn(
  name: string,
  condition: string,
  part: 'status' | 'reason' | 'message',
  description: string,
): PrinterColumn {
  return { name, type: 'string', description, jsonPath: `.status.conditions[?(@.type=="${condition}")].${part}` };
}

/** The column that every kind ends with. */
export const AGE_COLUMN: PrinterColumn = {
  name: 'Age',
  type: 'date',
  description: 'Since when the object exists.',
  jsonPath: '.metadata.creationTimestamp',
};

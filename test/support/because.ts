/** The end of a suite's title that says why it is skipped; empty when it is not. */
export function because(problem: string | undefined): string {
  return problem === undefined ? '' : ` (skipped: ${problem})`;
}

import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';

const MARKS = ['<!-- seen: begin -->', '<!-- seen: end -->'] as const;

/** Expects what a test saw between the marks of a document; with SALLYPORT_WRITE_DOCS=1 it writes it there. */
export async function sameInDocument(path: string, seen: string): Promise<void> {
  const text = await readFile(inProject(path), 'utf8');
  const [head = '', rest = ''] = text.split(MARKS[0]);
  const [, tail = ''] = rest.split(MARKS[1]);
  const fresh = `${head}${MARKS[0]}\n\n${seen}\n\n${MARKS[1]}${tail}`;
  if (process.env.SALLYPORT_WRITE_DOCS === '1') await writeFile(inProject(path), fresh);
  else expect(text, `${path} is out of date: run this test with SALLYPORT_WRITE_DOCS=1`).toBe(fresh);
}

import { join } from 'node:path';

/** The project's top folder. */
export const ROOT = join(import.meta.dirname, '..', '..');

/** The Node that package.json pins; the one that runs us may be another. */
export const NODE = join(ROOT, 'node_modules', '.bin', 'node');

/** A file or folder of the project by its path from the top. */
export function inProject(...path: readonly string[]): string {
  return join(ROOT, ...path);
}

/**
 * Has Node keep the compiled form of what it runs. Our programs are TypeScript, and to make that JavaScript and compile it is two thirds of
 * the processor time that the start of one takes.
 */
export const COMPILED_ONCE = { NODE_COMPILE_CACHE: inProject('node_modules/.cache/node') } as const;

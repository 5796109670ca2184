import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { findHelm } from '../../scripts/render-manifests.ts';
import { inProject } from '../../scripts/support/paths.ts';

/** Helm's file, or undefined on a machine that has none yet. */
export const HELM = findHelm();

/** For the titles of tests that need Helm, so that a skipped one says what it lacks. */
export const NEEDS_HELM = HELM === undefined ? ' (skipped: no helm on PATH; `npm test` builds one where Go is)' : '';

export const CHART = inProject('charts/sallyport');

export const RELEASE_NAMESPACE = 'sallyport-system';

/** One object of a rendered chart; tests look into it as they like. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [part: string]: unknown;
}

/** What Helm answers: its exit code and all that it said. */
export interface HelmAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Helm; values go in through a file, since that is how people give them. */
export async function helm(words: readonly string[], values: object = {}): Promise<HelmAnswer> {
  if (HELM === undefined) throw new Error('there is no helm');
  const child = promisify(execFile)(HELM, [...words, '--values', '-'], { maxBuffer: 64 * 1024 * 1024 });
  child.child.stdin?.end(stringify(values));
  try {
    return { code: 0, ...(await child) };
  } catch (error) {
    const { code, stdout, stderr } = error as {
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    };
    return { code, stdout, stderr };
  }
}

const rendered = new Map<string, Promise<readonly Rendered[]>>();

/** The chart's objects with these values, hooks included; the same ones each time. @throws {Error} with Helm's words. */
export function render(values: object = {}): Promise<readonly Rendered[]> {
  const key = JSON.stringify(values);
  const objects = rendered.get(key) ?? renderAnew(values);
  rendered.set(key, objects);
  return objects;
}

async function renderAnew(values: object): Promise<readonly Rendered[]> {
  const answer = await helm(['template', 'sallyport', CHART, '--namespace', RELEASE_NAMESPACE], values);
  if (answer.code !== 0) throw new Error(answer.stderr);
  return parseAllDocuments(answer.stdout)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}

/** The only object of this kind and name. */
export function one(objects: readonly Rendered[], kind: string, name: string, namespace?: string): Rendered {
  const found = objects.filter(
    (object) =>
      object.kind === kind &&
      object.metadata.name === name &&
      (namespace === undefined || object.metadata.namespace === namespace),
  );
  const [object] = found;
  if (object === undefined || found.length > 1) throw new Error(`there are ${found.length} ${kind} ${name}`);
  return object;
}

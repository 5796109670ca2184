import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** One of the project's documents; `file` is its path from the top. */
export interface Markdown {
  readonly file: string;
  readonly text: string;
}

/** Every document that people read, the generated reference included. */
export function documents(): readonly Markdown[] {
  const patterns = [
    '*.md',
    'docs/**/*.md',
    'src/**/*.md',
    'test/**/*.md',
    'image/*.md',
    'charts/**/*.md',
    '.github/*.md',
  ];
  return globSync(patterns, { cwd: ROOT })
    .sort()
    .map((file) => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }));
}

/** The shell commands of fenced blocks whose info string is exactly this, without comments, continuation lines joined. */
export function commandsIn(text: string, info: string): readonly string[] {
  const block = new RegExp(`^\`\`\`${info}\\n(.*?)^\`\`\``, 'gms');
  return [...text.matchAll(block)]
    .flatMap(([, body = '']) => body.replaceAll('\\\n', ' ').split('\n'))
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** Top folders whose paths a document may name in code quotes. */
const FOLDERS = /^(src|test|docs|scripts|charts|crds|manifests|image|\.github|\.ci)(\/|$)/;

/** The paths that a document links to or names, which are not there. */
export function missingPaths({ file, text }: Markdown): readonly string[] {
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, path = '']) =>
    join(dirname(file), path),
  );
  const quoted = [...text.matchAll(/`([\w./@-]+)`/g)].flatMap(([, path = '']) => (FOLDERS.test(path) ? [path] : []));
  return [...links, ...quoted].filter((path) => !existsSync(join(ROOT, path)));
}

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');

/** What belongs to one machine or to one way of fetching packages, and so never into a file that everybody gets. */
const BANS = [
  {
    pattern: /\b(registry\.npmjs\.org|registry\.yarnpkg\.com|proxy\.golang\.org|sum\.golang\.org|deb\.debian\.org)\b/,
    why: 'a registry host',
  },
  { pattern: /(?<![\w.-])\/(work|home\/[a-z]\w*|Users\/\w+|root\/\w+)\//, why: "a path of one machine's" },
  { pattern: /^(<<<<<<<|>>>>>>>) /m, why: 'an unresolved merge' },
  // Put together here, so that this file does not hold what it looks for.
  { pattern: new RegExp(`${'-----BEGIN'} (RSA |EC |OPENSSH )?PRIVATE KEY-----`), why: 'a private key' },
];

/** Lists of hashes, and this list of bans. */
const EXEMPT = [/go\.sum$/, /^package-lock\.json$/, /^test\/scripts\/tree\.test\.ts$/];

function files(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const paths = listed.split('\n').filter((path) => path !== '' && existsSync(join(ROOT, path)));
  return paths.filter((path) => !EXEMPT.some((exempt) => exempt.test(path)));
}

describe('the tree', () => {
  test.each(BANS)('no file names $why', ({ pattern }) => {
    const found = files().filter((path) => pattern.test(readFileSync(join(ROOT, path), 'utf8')));
    expect(found).toEqual([]);
  });
});

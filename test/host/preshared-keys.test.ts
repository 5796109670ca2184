import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PresharedKeyFolder } from '../../src/host/preshared-keys.ts';

const ONE = `${'b'.repeat(42)}A=`;
const TWO = `${'c'.repeat(42)}A=`;

let folder: string;
let versions = 0;

/** As the kubelet does: the files are links into a folder that another one replaces at once. */
function bring(files: Readonly<Record<string, string>>): void {
  const fresh = `..${versions++}`;
  mkdirSync(join(folder, fresh));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, fresh, name), text);
    rmSync(join(folder, name), { force: true });
    symlinkSync(join('..data', name), join(folder, name));
  }
  symlinkSync(fresh, join(folder, '..new'));
  renameSync(join(folder, '..new'), join(folder, '..data'));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('the folder of preshared keys', () => {
  test('tells keys apart, and recognizes one from the interface', async () => {
    bring({ one: `${ONE}\n`, two: TWO });
    const keys = new PresharedKeyFolder(folder);
    const found = await keys.read();
    expect([...found.keys()].sort()).toEqual(['one', 'two']);
    expect(found.get('one')).toBe(keys.fingerprint(ONE));
    expect(found.get('two')).not.toBe(found.get('one'));
  });

  test('forgets what is gone, reads what is new, and looks again at what was no key', async () => {
    bring({ one: ONE, two: 'no key yet' });
    const keys = new PresharedKeyFolder(folder);
    expect([...(await keys.read()).keys()]).toEqual(['one']);
    rmSync(join(folder, 'one'));
    bring({ two: TWO });
    expect(await keys.read()).toEqual(new Map([['two', keys.fingerprint(TWO)]]));
  });

  test('does not count a file without a key, which would be no key at all', async () => {
    bring({ empty: '', zeros: `${'A'.repeat(43)}=`, words: 'a secret', one: ONE });
    expect([...(await new PresharedKeyFolder(folder).read()).keys()]).toEqual(['one']);
  });

  test('gives fingerprints that mean nothing to another process', async () => {
    const [here, there] = [new PresharedKeyFolder(folder), new PresharedKeyFolder(folder)];
    expect(here.fingerprint(ONE)).not.toBe(there.fingerprint(ONE));
    expect(here.fingerprint(ONE)).not.toContain(ONE.slice(0, 8));
  });

  test('tells when the kubelet has brought others', async () => {
    bring({ one: ONE });
    const ending = new AbortController();
    const changed = Promise.withResolvers<void>();
    new PresharedKeyFolder(folder).watch(ending.signal, changed.resolve);
    bring({ one: TWO });
    await changed.promise;
    ending.abort();
  });

  test.each([
    ['it was not mounted', () => join(folder, 'missing')],
    ['there is none', () => undefined],
  ])('is empty where %s', async (_why, path) => {
    const keys = new PresharedKeyFolder(path());
    keys.watch(AbortSignal.timeout(1_000), () => undefined);
    expect(await keys.read()).toEqual(new Map());
  });
});

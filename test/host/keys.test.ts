import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KeyMismatch, mountedPublicKey } from '../../src/host/keys.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';

const PAIR = keyPairFrom(new Uint8Array(32).fill(42));
const OTHER = keyPairFrom(new Uint8Array(32).fill(43));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function keyFile(text: string): Promise<string> {
  const file = join(folder, 'privateKey');
  await writeFile(file, text);
  return file;
}

describe('the mounted key', () => {
  test.each(['', '\n', '\r\n'])('is told by its public half alone (ending %j)', async (ending) => {
    const found = await mountedPublicKey(await keyFile(`${PAIR.privateKey}${ending}`));
    expect(found).toEqual({ ok: true, value: PAIR.publicKey });
    expect(JSON.stringify(found)).not.toContain(PAIR.privateKey);
  });

  test.each([
    ['is missing', undefined, 'there is no private key at'],
    ['is cut short', PAIR.privateKey.slice(0, 40), 'holds no private key'],
    ['is empty', '', 'holds no private key'],
  ])('that %s is a problem in words that do not quote it', async (_what, text, problem) => {
    const file = text === undefined ? join(folder, 'missing') : await keyFile(text);
    const found = await mountedPublicKey(file);
    expect(found).toMatchObject({ ok: false, problem: expect.stringContaining(problem) });
    expect(JSON.stringify(found)).not.toContain(PAIR.privateKey.slice(0, 40));
  });

  test('that is a directory is a fault of the machine', async () => {
    await expect(mountedPublicKey(folder)).rejects.toThrow('read the private key');
  });
});

test.each([
  [{ ok: true, value: OTHER.publicKey } as const, `belongs to the public key ${OTHER.publicKey}`],
  [{ ok: false, problem: 'there is no private key at /key' } as const, 'but there is no private key at /key'],
])('a mismatch names both sides', (found, words) => {
  const error = new KeyMismatch(PAIR.publicKey, found);
  expect(error.message).toContain(words);
  expect(error.message).toContain(PAIR.publicKey);
});

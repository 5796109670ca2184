import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createCommands } from '../../src/host/exec.ts';
import { ExecError, execMessage, failedSaying } from '../../src/host/exec-error.ts';

const commands = createCommands();
const sh = (script: string) => ['sh', '-c', script];

async function failure(promise: Promise<unknown>): Promise<ExecError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ExecError)) throw new Error(`not an ExecError: ${error}`);
  return error;
}

describe('a command', () => {
  test('gives its stdout', async () => {
    expect(await commands.run(['printf', '%s-%s', 'a b', '$HOME;'])).toBe('a b-$HOME;');
  });

  test('reads a file as its input, and nothing when there is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-exec-'));
    const inputFile = join(folder, 'input');
    await writeFile(inputFile, 'text');
    expect(await commands.run(['cat'], { inputFile })).toBe('text');
    expect(await commands.run(['cat'])).toBe('');
    await rm(folder, { recursive: true });
  });

  test('speaks the language that we read, and sees nothing of our environment', async () => {
    const env = await commands.run(['env']);
    expect(env).toContain('LC_ALL=C\n');
    expect(env).not.toContain('NODE');
  });

  test('that fails says how, and keeps its stdout to itself', async () => {
    const error = await failure(commands.run(sh('echo secret; echo "it is broken" >&2; exit 3')));
    expect(error.facts).toMatchObject({ exitCode: 3, stderr: 'it is broken', timedOut: false });
    expect(error.message).toContain('failed with exit code 3: it is broken');
    expect(error.message.replace(/`.*`/, '')).not.toContain('secret');
  });

  test('that might quote a secret says nothing of what it said', async () => {
    const error = await failure(commands.run(sh('echo "secret" >&2; exit 1'), { secret: true }));
    expect(error.facts.stderr).toBe('');
  });

  test('that does not exist could not be started', async () => {
    const error = await failure(commands.run(['there-is-no-such-program']));
    expect(error.message).toContain('could not be started');
  });

  test('that takes too long is stopped', async () => {
    const error = await failure(commands.run(['sleep', '60'], { timeoutMs: 50 }));
    expect(error.message).toBe('`sleep 60` took too long and was stopped');
  });

  test('is stopped by its signal', async () => {
    const stop = new AbortController();
    const running = commands.run(['sleep', '60'], { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });

  test('runs behind a prefix', async () => {
    expect(await createCommands(['env', 'WHERE=inside']).run(sh('echo $WHERE'))).toBe('inside\n');
  });
});

describe('a command that stays', () => {
  test('tells its lines until it is stopped', async () => {
    const heard = Promise.withResolvers<string>();
    const running = commands.start(sh('echo one; exec sleep 60'), heard.resolve);
    expect(await heard.promise).toBe('one');
    await running.stop();
    expect(await running.exited).toMatchObject({ signal: 'SIGTERM' });
  });

  test('that ends by itself says how', async () => {
    expect(await commands.start(sh('echo no >&2; exit 4')).exited).toMatchObject({ exitCode: 4, stderr: 'no' });
  });

  test('that does not exist ends at once, and may be stopped', async () => {
    const running = commands.start(['there-is-no-such-program']);
    expect((await running.exited).stderr).toContain('ENOENT');
    await running.stop();
  });
});

describe('the message of a failed command', () => {
  test.each([
    [{ exitCode: 1, stderr: '' }, '`wg show` failed with exit code 1'],
    [{ signal: 'SIGKILL', stderr: '' }, '`wg show` was ended by SIGKILL'],
    [
      { exitCode: 1, stderr: 'file:1: Error: no\nlist x\n     ^^^~\n' },
      '`wg show` failed with exit code 1: file:1: Error: no; list x',
    ],
  ])('%o', (facts, message) => {
    expect(execMessage({ argv: ['wg', 'show'], timedOut: false, ...facts })).toBe(message);
  });

  test('leaves out the frame that wireguard-go puts before what failed', () => {
    const stderr = '┌───┐\n│   │\n│   Running wireguard-go is not required   │\n└───┘\nERROR: too many open files';
    const message = execMessage({ argv: ['wireguard-go', '-f', 'wg0'], exitCode: 1, timedOut: false, stderr });
    expect(message).toBe('`wireguard-go -f wg0` failed with exit code 1: ERROR: too many open files');
  });

  test('cuts a long command short', () => {
    const message = execMessage({
      argv: ['wg', ...Array<string>(1000).fill('peer')],
      timedOut: false,
      stderr: '',
      exitCode: 1,
    });
    expect(message.length).toBeLessThan(150);
  });
});

test('what a command said is recognized, and other errors are not', () => {
  const error = new ExecError({ argv: ['ip'], exitCode: 2, timedOut: false, stderr: 'RTNETLINK answers: File exists' });
  expect(failedSaying(error, /File exists/)).toBe(true);
  expect(failedSaying(error, /No such/)).toBe(false);
  expect(failedSaying(new Error('File exists'), /File exists/)).toBe(false);
});

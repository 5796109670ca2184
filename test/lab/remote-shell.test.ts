import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FrameReader, frame } from './frames.ts';
import { poll } from './progress.ts';
import { identify } from './record.ts';
import { type RemoteOptions, runRemotely } from './remote-shell.ts';

const MEGABYTE = 1_000_000;
const MEGABYTES_8 = 8 * MEGABYTE;

let folder: string;
let server: ChildProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-remote-'));
  const program = `${import.meta.dirname}/remote-shell-server.ts`;
  server = spawn(process.execPath, [program, socket(), 'env', 'BEFORE=yes'], { stdio: 'inherit' });
  await poll('the server', async () => (existsSync(socket()) ? true : undefined), { interval: 20 });
});

afterAll(async () => {
  const ended = once(server, 'exit');
  server.kill();
  await ended;
  await rm(folder, { recursive: true });
});

const socket = () => join(folder, 'commands.sock');
const remotely = (script: string, options: RemoteOptions = {}) =>
  runRemotely(socket(), ['bash', '-c', script], options);

describe('a command on a machine behind a socket', () => {
  test('has its output, its errors and its exit code told apart', async () => {
    expect(await remotely('echo out; echo err >&2; exit 3')).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  test('runs behind the words of the server, with the environment and the folder asked for', async () => {
    const { stdout } = await remotely('echo $BEFORE $MINE; pwd', { env: { MINE: 'too' }, cwd: '/usr' });
    expect(stdout).toBe('yes too\n/usr\n');
  });

  test('reads its input as it is, and its end; without any it reads the end at once', async () => {
    const input = Buffer.alloc(MEGABYTES_8, 'ä\0\n');
    const file = join(folder, 'input');
    await writeFile(file, input);
    for (const options of [{ input }, { inputFile: file }])
      expect((await remotely('wc -c', options)).stdout.trim()).toBe(String(MEGABYTES_8));
    expect((await remotely('cat')).code).toBe(0);
  });

  test('may print much, in characters of several bytes', async () => {
    const { stdout } = await remotely('yes ä | head -c 6000000');
    expect(stdout).toBe('ä\n'.repeat(2_000_000));
  });

  test('may end without reading its input', async () => {
    expect((await remotely('exit 4', { input: Buffer.alloc(MEGABYTES_8) })).code).toBe(4);
  });

  test('may end while its input is on the way, which still finds a reader', async () => {
    const caller = connect(socket());
    const frames = new FrameReader();
    caller.write(frame('r', JSON.stringify({ argv: ['bash', '-c', 'exit 4'], env: { PATH: process.env.PATH } })));
    const [answer] = (await once(caller, 'data')) as [Buffer];
    expect(frames.push(answer)).toEqual([{ type: 'c', payload: Buffer.from('4') }]);
    const write = promisify<Buffer, void>((piece, done) => void caller.write(piece, done));
    for (let written = 0; written < MEGABYTES_8; written += MEGABYTE) await write(frame('i', Buffer.alloc(MEGABYTE)));
    caller.destroy();
  });

  test('shows its output as it comes', async () => {
    const said: string[] = [];
    const stop = new AbortController();
    const onOutput = (text: string) => {
      said.push(text);
      stop.abort();
    };
    await expect(remotely('echo one; sleep 60', { onOutput, signal: stop.signal })).rejects.toThrow();
    expect(said).toEqual(['one\n']);
  });

  test('is killed with all that it started when it is given up', async () => {
    let pid = 0;
    const onOutput = (text: string) => {
      pid = Number(text);
    };
    const result = await remotely('sleep 60 & echo $!; wait', { onOutput, timeout: 1_000 });
    expect(result.code).toBe(-1);
    await poll('the end of what it started', async () => (identify(pid) ? undefined : true));
  });

  test('that was killed has code -1', async () => {
    expect((await remotely('kill -KILL $$')).code).toBe(-1);
  });

  test('that does not exist has the exit code of what should have run it', async () => {
    expect(await runRemotely(socket(), ['no-such-command'])).toMatchObject({ code: 127 });
  });

  test('runs beside others', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, at) => remotely(`sleep 0.1; echo ${at}`)));
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 20 }, (_, at) => at));
  });
});

test('a machine that cannot be reached is an error', async () => {
  await expect(runRemotely(join(folder, 'nobody'), ['true'])).rejects.toThrow(/run true at /);
});

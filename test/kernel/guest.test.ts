import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../lab/exec.ts';
import { GuestEnded, runInGuest } from './guest.ts';
import { prepareMachine, SLOWNESS } from './machine.ts';

const sh = (script: string) => ['sh', '-c', script];

describe('a guest', () => {
  let folder: string;
  beforeAll(prepareMachine);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-kernel-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('gives output and exit status of its program, byte for byte', async () => {
    const argv = sh("printf 'one\\n\\ttwo ü\\n'; printf '%s' \"$WORD\" >&2; exit 7");
    expect(await runInGuest(argv, { env: { WORD: "it's $HOME" } })).toEqual({
      code: 7,
      stdout: 'one\n\ttwo ü\n',
      stderr: "it's $HOME",
    });
  });

  test('has WireGuard, nftables with NAT, and netem in its kernel', async () => {
    const { code, stderr } = await runInGuest(
      sh(`set -e
        ip link add wg0 type wireguard
        wg set wg0 listen-port 51820
        nft add table inet t
        nft add chain inet t c '{ type nat hook postrouting priority 100; }'
        nft add rule inet t c masquerade
        ip link add veth0 type veth peer name veth1
        tc qdisc add dev veth0 root netem delay 1ms loss 5%
        iptables -t nat -A POSTROUTING -j MASQUERADE
        ip6tables -t nat -A POSTROUTING -j MASQUERADE`),
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('sees the machine’s files, and writes only into its shares', async () => {
    const mine = join(import.meta.dirname, 'guest.ts');
    const { stdout } = await runInGuest(
      sh(
        `cat ${mine}; rm ${mine}; echo x >${tmpdir()}/sallyport-escaped; echo x >/etc/sallyport-escaped; echo kept >/out/file`,
      ),
      { shares: { '/out': folder } },
    );
    expect(stdout).toBe(await readFile(mine, 'utf8'));
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('kept\n');
    expect([`${tmpdir()}/sallyport-escaped`, '/etc/sallyport-escaped'].filter(existsSync)).toEqual([]);
  });

  test('that panics is told, with the end of its console', async () => {
    const panic = await runInGuest(sh('echo c >/proc/sysrq-trigger; sleep 60')).catch((error: unknown) => error);
    expect(panic).toBeInstanceOf(GuestEnded);
    expect(String(panic)).toContain('panic');
  });

  test('ends when it is told to, and leaves nothing', async () => {
    const abort = new AbortController();
    const running = runInGuest(WAITS, { shares: { '/out': folder }, signal: abort.signal });
    const its = await started(folder);
    abort.abort();
    await expect(running).rejects.toThrow();
    await expect.poll(() => commandsWith(its), { timeout: 5_000 }).toBe('');
    expect(existsSync(its)).toBe(false);
  });

  test('ends with whoever started it, even if that is killed', async () => {
    const program = `import { runInGuest } from '${import.meta.dirname}/guest.ts';
      await runInGuest(${JSON.stringify(WAITS)}, { shares: { '/out': '${folder}' } });`;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
    const its = await started(folder);
    starter.kill('SIGKILL');
    await expect.poll(() => commandsWith(its), { timeout: 5_000 }).toBe('');
    await rm(its, { recursive: true });
  });
});

/** A program that tells what its guest was started with, and goes on. */
const WAITS = ['sh', '-c', 'cp /proc/cmdline /out/new; mv /out/new /out/started; sleep 600'];

/** The folder of the guest that runs WAITS, once it does. */
async function started(folder: string): Promise<string> {
  const file = join(folder, 'started');
  await expect.poll(() => existsSync(file), { timeout: 20_000 * SLOWNESS }).toBe(true);
  return /init=(\S+)\/init/i.exec(await readFile(file, 'utf8'))?.[1] ?? '';
}

/** The processes whose command has the word. */
async function commandsWith(word: string): Promise<string> {
  return (await run(['pgrep', '--list-full', '--full', word])).stdout;
}

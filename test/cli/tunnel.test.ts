import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UserError } from '../../src/cli/output.ts';
import { LinuxTunnel } from '../../src/cli/tunnel/linux-tunnel.ts';
import { createCommands } from '../../src/host/exec.ts';
import { tunnelOf } from '../../src/laptop/tunnel.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { aClientConfiguration } from '../support/client-configurations.ts';

test('a machine without the programs is told which one, and what brings it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tunnel-'));
  try {
    const privateKeyFile = join(folder, 'key');
    const tunnel = new LinuxTunnel({ privateKeyFile, runDir: folder, commands: createCommands([], folder) });
    const { publicKey } = keyPairFrom(new Uint8Array(32).fill(1));
    const wanted = tunnelOf(aClientConfiguration(), { device: 'sp-none', publicKey, privateKeyFile });
    const error = await tunnel.sync(wanted).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toBe('ip is not on this machine: install iproute2');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import { spawnSync } from 'node:child_process';
import { wireguardGo } from './support-usermode.ts';

/** Why tests with namespaces cannot run on this machine; undefined when they can. */
export const missing = await problem();

/** Whether this kernel itself makes WireGuard interfaces; then wireguard-go serves only those that are asked of it. */
export const hasKernelWireGuard =
  missing === undefined && spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'type', 'wireguard']).status === 0;

async function problem(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return skipped('root is needed to make network namespaces');
  try {
    await wireguardGo();
    return undefined;
  } catch (error) {
    return skipped(`no wireguard-go (${error instanceof Error ? error.message : error})`);
  }
}

function skipped(why: string): string {
  console.warn(`SKIPPED network namespaces: ${why}`);
  return why;
}

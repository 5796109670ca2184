import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why nft cannot be tried on this machine; undefined when it can. */
export const nftMissing = problem();

/** What nft says to a script in a network namespace that is thrown away, and what it lists as JSON afterwards. */
export function tryNft(script: string, table: string): { readonly stderr: string; readonly listing: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-nft-'));
  try {
    const file = join(folder, 'script.nft');
    writeFileSync(file, script);
    const line = 'nft -c -f "$1" && nft -f "$1" && nft -f "$1" && nft -j -s list table inet "$2"';
    const { stdout, stderr } = spawnSync('unshare', ['-rn', 'sh', '-c', line, 'sh', file, table], { encoding: 'utf8' });
    return { stderr, listing: stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function problem(): string | undefined {
  const { status } = spawnSync('unshare', ['-rn', 'nft', 'list', 'ruleset']);
  if (status === 0) return undefined;
  console.warn('SKIPPED rulesets before the real nft: no nft here, or no unprivileged namespaces (unshare -rn)');
  return 'no nft in a namespace of its own';
}

import { wireguardGo } from './support-usermode.ts';

/** Why tests with namespaces cannot run on this machine; undefined when they can. */
export const missing = await problem();

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

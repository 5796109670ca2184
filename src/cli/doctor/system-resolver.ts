import type { Commands } from '../../host/exec.ts';
import { ExecError } from '../../host/exec-error.ts';
import { addressesIn, type IpAddress } from '../../net/address.ts';

/** The addresses that programs on this machine get for a name; or the code of the failure, such as ENOTFOUND. */
export type Found =
  | { readonly kind: 'found'; readonly addresses: readonly IpAddress[] }
  | { readonly kind: 'not-found'; readonly code: string };

/** A dead resolver would take ten seconds and more. */
const PATIENCE_MS = 3_000;
/** Nothing ends getaddrinfo(3) but the end of its process, so it is one that can be ended. */
const SCRIPT = `require('node:dns').lookup(process.argv[1], { all: true }, (error, found) =>
  process.stdout.write(JSON.stringify(error ? { code: error.code } : { addresses: found.map(({ address }) => address) })))`;

/** Asks the resolver of this machine as any program does (getaddrinfo(3)). */
export async function askSystemResolver(commands: Commands, name: string): Promise<Found> {
  try {
    const { code, addresses = [] } = JSON.parse(
      await commands.run([process.execPath, '-e', SCRIPT, name], { timeoutMs: PATIENCE_MS }),
    ) as { readonly code?: string; readonly addresses?: readonly string[] };
    return code === undefined ? { kind: 'found', addresses: addressesIn(addresses) } : { kind: 'not-found', code };
  } catch (error) {
    if (error instanceof ExecError && error.facts.timedOut) return { kind: 'not-found', code: 'no answer' };
    throw error;
  }
}

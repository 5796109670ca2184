import { ExecError } from '../../host/exec-error.ts';
import { UserError } from '../output.ts';

/** What brings a program, by its name. */
const BRINGS: Readonly<Record<string, string>> = {
  wg: 'install wireguard-tools (Debian, Ubuntu, Fedora, Arch: the package of that name)',
  ip: 'install iproute2',
  nft: 'a full tunnel needs it; install nftables',
  'wireguard-go': 'this kernel has no WireGuard, so install wireguard-go, or load the module: modprobe wireguard',
};

/** A program that is not there, as a sentence with its remedy; any other error as it is. */
export function missingProgram(error: unknown): unknown {
  if (!(error instanceof ExecError) || !error.facts.stderr.includes('ENOENT')) return error;
  const [program = ''] = error.facts.argv;
  return new UserError(`${program} is not on this machine: ${BRINGS[program] ?? 'install it'}`);
}

import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';

/** Another program has the UDP port on which the gateway is to listen. */
export class PortBusy extends Error {
  readonly port: number;

  constructor(port: number, holder: string | undefined, options: { readonly cause: unknown }) {
    super(
      holder === undefined
        ? `the UDP port ${port} is taken by another program of this node; see which (ss -lunp 'sport = :${port}', as root on the node) and end it, or set another spec.listenPort on the MeshGateway`
        : `the UDP port ${port} is taken by the WireGuard interface ${holder} of this node; give one of the two another port: spec.listenPort on the MeshGateway, or \`wg set ${holder} listen-port …\` on the node`,
      options,
    );
    this.name = 'PortBusy';
    this.port = port;
  }
}

/** What the failure to listen on a port means; any other error is given back as it is. */
export async function withoutPort(commands: Commands, device: string, port: number, error: unknown): Promise<unknown> {
  if (!failedSaying(error, /Address already in use/)) return error;
  return new PortBusy(port, await wireGuardOn(commands, device, port), { cause: error });
}

/** Kernel WireGuard belongs to no process, so nothing but `wg` can name it; a process is hidden from a pod. */
async function wireGuardOn(commands: Commands, device: string, port: number): Promise<string | undefined> {
  const lines = (await commands.run(['wg', 'show', 'all', 'listen-port'])).split('\n');
  return lines.map((line) => line.split('\t')).find(([name, other]) => name !== device && other === String(port))?.[0];
}

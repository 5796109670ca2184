import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';

/** How the interface of a second key is named (`otherInterfaceName`). */
const SECOND = /_(.{4})?2$/;

/** Who wants the port, and the WireGuard interface that has it, if one does. */
interface Rivals {
  readonly device: string;
  readonly holder: string | undefined;
}

/** Another program has the UDP port on which the gateway is to listen. */
export class PortBusy extends Error {
  readonly port: number;

  constructor(port: number, { device, holder }: Rivals, options: { readonly cause: unknown }) {
    const field = SECOND.test(device) ? 'spec.keyRotation.listenPort' : 'spec.listenPort';
    super(
      holder === undefined
        ? `the UDP port ${port} is taken by another program of this node; see which (ss -lunp 'sport = :${port}', as root on the node) and end it, or set another ${field} on the MeshGateway`
        : `the UDP port ${port} is taken by the WireGuard interface ${holder} of this node; give one of the two another port: ${field} on the MeshGateway, or \`wg set ${holder} listen-port …\` on the node`,
      options,
    );
    this.name = 'PortBusy';
    this.port = port;
  }
}

/** What the failure to listen on a port means; any other error is given back as it is. */
export async function withoutPort(commands: Commands, device: string, port: number, error: unknown): Promise<unknown> {
  if (!failedSaying(error, /Address already in use/)) return error;
  return new PortBusy(port, { device, holder: await wireGuardOn(commands, device, port) }, { cause: error });
}

/** Kernel WireGuard belongs to no process, so nothing but `wg` can name it; a process is hidden from a pod. */
async function wireGuardOn(commands: Commands, device: string, port: number): Promise<string | undefined> {
  const lines = (await commands.run(['wg', 'show', 'all', 'listen-port'])).split('\n');
  return lines.map((line) => line.split('\t')).find(([name, other]) => name !== device && other === String(port))?.[0];
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from '../../src/host/exec.ts';
import type { PathStanding } from '../../src/laptop/path/state.ts';
import type { Tunnel } from '../../src/laptop/tunnel.ts';
import type { ClientConfiguration } from '../../src/mesh/client-configuration.ts';
import { startProgram } from './mesh.ts';
import { ROUTED, SERVICE, type TwoGateways } from './two-gateways.ts';

interface Attempt {
  readonly began: number;
  readonly connected: number;
}

/** A keeper of the laptop's path, and an application that begins a new connection every 50 ms. */
export class PathKeeping {
  readonly standings: PathStanding[] = [];
  readonly attempts: Attempt[] = [];
  /** Checks that found the path to work. */
  proofs = 0;
  readonly #running: Running[] = [];

  /** Idle: without the application. */
  static async start(two: TwoGateways, load: 'attempts' | 'idle' = 'attempts'): Promise<PathKeeping> {
    const keeping = new PathKeeping();
    const { privateKey } = two.laptopKeys;
    const given = JSON.stringify({ ...keptTunnel(two), keys: { privateKey } });
    const { commands } = two.laptop;
    keeping.#running.push(
      await startProgram(commands, `keeper.ts ${given}`, (line) => {
        const said = JSON.parse(line);
        if ('condition' in said) keeping.standings.push(said);
        else if ('provenAt' in said) keeping.proofs += 1;
      }),
    );
    if (load === 'idle') return keeping;
    keeping.#running.push(
      await startProgram(commands, `attempts.ts ${SERVICE} 8080 50`, (line) => {
        if (line !== 'ready') keeping.attempts.push(JSON.parse(line));
      }),
    );
    return keeping;
  }

  get standing(): PathStanding | undefined {
    return this.standings.at(-1);
  }

  /** Milliseconds from a moment until a connection that was begun after it was accepted. */
  async outage(from: number, patienceMs = 20_000): Promise<number> {
    for (let waited = 0; waited < patienceMs; waited += 20) {
      const accepted = this.attempts.filter(({ began }) => began > from + 50).map(({ connected }) => connected);
      if (accepted.length > 0) return Math.min(...accepted) - from;
      await delay(20);
    }
    throw new Error(`no connection in ${patienceMs} ms`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop()));
  }
}

function keptTunnel({ gatewayKeys, laptopKeys, nodes }: TwoGateways) {
  const endpoints = nodes.map(({ endpoint }) => endpoint);
  const { publicKey } = gatewayKeys;
  const gateway = { name: 'default', publicKey, addresses: ['10.213.0.1'], allowedIPs: ROUTED, endpoints };
  const persistentKeepalive = 25;
  const configuration = {
    peer: 'team-a/alice',
    addresses: ['10.213.0.16'],
    mtu: 1420,
    hasPresharedKey: false,
    persistentKeepalive,
    gateways: [gateway],
  } as unknown as ClientConfiguration;
  const peer = { publicKey, endpoint: endpoints[0], allowedIPs: ROUTED, persistentKeepalive };
  const tunnel = { device: 'wg0', publicKey: laptopKeys.publicKey, peers: [peer] } as unknown as Tunnel;
  return { configuration, tunnel };
}

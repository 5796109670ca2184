import { setTimeout as delay } from 'node:timers/promises';
import type { Commands } from '../../host/exec.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { parseAddress } from '../../net/address.ts';
import { type Endpoint, endpointParts } from '../../net/endpoint.ts';
import { SYSTEM_PATHS } from '../names/paths.ts';
import { outsideLookup } from '../path/outside-lookup.ts';
import type { Raceway } from '../path/race-all.ts';
import { FullWays, fullTunnelsHere } from '../tunnel/full-ways.ts';

export interface FullHoldOptions {
  readonly device: string;
  readonly commands: Commands;
  readonly runDir: string;
  readonly configuration: () => ClientConfiguration;
  /** Is told what somebody should know. */
  readonly notify: (text: string) => void;
}

/** Somebody may flush nftables or rules at any time, and nothing announces both. */
const LOOK_AGAIN_MS = 10_000;

/** Holds a full tunnel: what goes beside it is the tunnel itself, races, and questions for the names of endpoints. */
export class FullHold {
  readonly #options: FullHoldOptions;
  readonly #ways: FullWays;

  constructor(options: FullHoldOptions) {
    const { device, commands, runDir } = options;
    this.#options = options;
    this.#ways = new FullWays({ commands, runDir, device });
  }

  /** What races need besides, so that they get out. */
  get raceway(): Pick<Raceway, 'lookup' | 'admit'> {
    return {
      lookup: outsideLookup({
        paths: SYSTEM_PATHS,
        isInside: (server) => this.#options.configuration().dns?.servers.includes(server) === true,
        whileAsking: (question, work) => this.#ways.whileAsking(question, work),
      }),
      admit: (addresses) => this.#ways.admit(addresses.flatMap(outsideOf)),
    };
  }

  /** Whether an earlier one left it standing. */
  async isHere(): Promise<boolean> {
    const { commands, device } = this.#options;
    return (await fullTunnelsHere(commands)).includes(device);
  }

  /** Takes over what an earlier one left standing, before anything is sent: in between nothing gets out. */
  async adopt(): Promise<void> {
    if (await this.isHere()) await this.sync();
  }

  /** Brings the machine to what the configuration says now. Says what was done. */
  async sync(): Promise<readonly string[]> {
    const { addresses, gateways } = this.#options.configuration();
    await this.#ways.admit(gateways.flatMap(({ endpoints }) => endpoints).flatMap(outsideOf));
    return this.#ways.sync({
      addresses,
      ranges: gateways.flatMap(({ allowedIPs }) => allowedIPs),
      internet: gateways.flatMap(({ internet }) => internet),
    });
  }

  /** Puts back what somebody else takes away, until the signal. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const done = await this.sync().catch((error: Error) => [`look after the full tunnel: ${error.message}`]);
      if (done.length > 0) this.#options.notify(`something of the full tunnel was gone: ${done.join(', ')}`);
    }
  }

  /** Takes it away. */
  remove(): Promise<void> {
    return this.#ways.remove();
  }
}

function outsideOf(endpoint: Endpoint) {
  const { host, port } = endpointParts(endpoint);
  const address = parseAddress(host);
  return address.ok ? [{ address: address.value, port }] : [];
}

import type { Commands, Running } from '../../host/exec.ts';
import type { Counters } from '../../laptop/path/silence.ts';
import type { PathStanding } from '../../laptop/path/state.ts';
import type { DeviceKeys } from '../../laptop/renderings.ts';
import type { Tunnel } from '../../laptop/tunnel.ts';
import type { ClientConfiguration, ClientGateway } from '../../mesh/client-configuration.ts';
import { type Endpoint, parseEndpoint } from '../../net/endpoint.ts';
import type { PublicKey } from '../../net/key.ts';
import { EndpointNames } from './endpoint-names.ts';
import { GatewayPath, type KeptGateway, type PathMeans } from './gateway-path.ts';
import type { FirstToAnswer, Raceway } from './race-all.ts';

export interface PathKeeperOptions extends Raceway {
  readonly configuration: ClientConfiguration;
  /** The tunnel that was made of it, which is up. */
  readonly tunnel: Tunnel;
  /** What `raceAll` found; for gateways that are not in it, what the interface dials now counts. */
  readonly first?: ReadonlyMap<PublicKey, FirstToAnswer> | undefined;
  readonly keys: () => DeviceKeys;
  readonly commands: Commands;
  readonly counters: CounterSource;
  /** Told once a path was first found to work, and whenever its address or its condition has changed. */
  readonly onStanding?: ((gateway: ClientGateway, standing: PathStanding) => void) | undefined;
  readonly log: (text: string) => void;
}

/** Where the counters of an interface are read. */
export interface CounterSource {
  /** Undefined while there is no such interface. */
  read(device: string): Counters | undefined;
}

/** How often the counters are looked at. */
export const TICK_MS = 100;
/** Packets of a check may be counted so long after its end. */
const OURS_MS = 1.5 * TICK_MS;

/**
 * Keeps a tunnel's gateways reachable: looks at the interface's counters ten times a second, and only when they say that nobody answers,
 * checks, races and moves (`advancePath`). Nothing else runs and no program is started while all is well, but for `ip monitor`, which tells
 * when the machine's network changes. The interface itself is somebody else's: it may go and come back.
 */
export class PathKeeper {
  readonly #options: PathKeeperOptions;
  readonly #means: PathMeans;
  readonly #paths = new Map<PublicKey, GatewayPath>();
  #kept: Pick<PathKeeperOptions, 'configuration' | 'tunnel'>;
  #checks = 0;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PathKeeperOptions) {
    const { clock, randomBytes, lookup, admit, commands, keys, log } = options;
    this.#options = options;
    this.#kept = options;
    const names = new EndpointNames(lookup, clock);
    const onStanding = options.onStanding ?? (() => undefined);
    const onCheck = (isRunning: boolean) => this.#countCheck(isRunning);
    this.#means = { clock, randomBytes, lookup, admit, commands, names, keys, log, onStanding, onCheck };
  }

  /** How each gateway is reached now, by its public key. */
  get standings(): ReadonlyMap<PublicKey, PathStanding> {
    return new Map([...this.#paths].map(([key, path]) => [key, path.standing]));
  }

  /** Keeps the paths until the signal is aborted; then everything that is under way has ended or is given up. */
  async run(signal: AbortSignal): Promise<void> {
    const monitor = this.#watchNetwork(signal);
    try {
      await this.#begin();
      await this.#tickUntil(signal);
    } finally {
      for (const path of this.#paths.values()) path.close();
      await monitor.stop();
    }
  }

  /** Takes another configuration, and the tunnel that the interface is now. Endpoints that are gone are left at once. */
  async update(configuration: ClientConfiguration, tunnel: Tunnel): Promise<void> {
    this.#kept = { configuration, tunnel };
    const gateways = this.#gateways();
    for (const [key, path] of this.#paths)
      if (!gateways.some(({ gateway }) => gateway.publicKey === key)) {
        path.close();
        this.#paths.delete(key);
      }
    for (const kept of gateways) this.#paths.get(kept.gateway.publicKey)?.update(kept, gateways.length === 1);
    await this.#begin();
  }

  /** Tells that the machine's network may have changed. */
  wake(): void {
    for (const path of this.#paths.values()) path.tell({ kind: 'woken' });
  }

  /** Begins the paths of gateways that have none. */
  async #begin(): Promise<void> {
    const gateways = this.#gateways();
    const fresh = gateways.filter(({ gateway }) => !this.#paths.has(gateway.publicKey));
    if (fresh.length === 0) return;
    const dialled = await this.#dialled();
    for (const kept of fresh) {
      const { publicKey, endpoints } = kept.gateway;
      // Also has the names at hand for a time when nobody can be asked.
      const candidates = await this.#means.names.candidates(endpoints);
      const now = dialled.get(publicKey);
      const address = now ?? candidates[0]?.address ?? endpoints[0];
      if (address === undefined) continue;
      const named = candidates.find((candidate) => candidate.address === address);
      const first = this.#options.first?.get(publicKey);
      const start = first?.address === address ? first : (named ?? { endpoint: endpoints[0] ?? address, address });
      this.#paths.set(publicKey, new GatewayPath(kept, start, gateways.length === 1, this.#means));
    }
  }

  #gateways(): readonly KeptGateway[] {
    const { configuration, tunnel } = this.#kept;
    const { device, presharedKeyFile } = tunnel;
    const { addresses } = configuration;
    return configuration.gateways.flatMap((gateway) => {
      const peer = tunnel.peers.find(({ publicKey }) => publicKey === gateway.publicKey);
      return peer === undefined ? [] : [{ gateway, peer, device, addresses, presharedKeyFile }];
    });
  }

  /** Where the interface sends to now, which may have been changed by whoever had it before, or by the gateway. */
  async #dialled(): Promise<ReadonlyMap<string, Endpoint>> {
    const { commands, log } = this.#options;
    const text = await commands.run(['wg', 'show', this.#kept.tunnel.device, 'endpoints']).catch((error: Error) => {
      log(`where the interface sends to is not known: ${error.message}`);
      return '';
    });
    return new Map(
      text.split('\n').flatMap((line) => {
        const [key = '', endpoint = ''] = line.split('\t');
        const parsed = parseEndpoint(endpoint);
        return parsed.ok ? [[key, parsed.value] as const] : [];
      }),
    );
  }

  #tickUntil(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let cancel = () => {};
    const tick = () => {
      try {
        this.#tick();
        cancel = clock.timer(TICK_MS, tick);
      } catch (error) {
        reject(error);
      }
    };
    const end = () => resolve();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    else tick();
    return promise.finally(() => {
      cancel();
      signal.removeEventListener('abort', end);
    });
  }

  #tick(): void {
    const counters = this.#options.counters.read(this.#kept.tunnel.device);
    const isOurs = this.#checks > 0 || this.#options.clock.monotonic() - this.#checkedAt <= OURS_MS;
    for (const path of this.#paths.values()) path.tell({ kind: 'tick', counters, isOurs });
  }

  #countCheck(isRunning: boolean): void {
    this.#checks += isRunning ? 1 : -1;
    this.#checkedAt = this.#options.clock.monotonic();
  }

  /** Without it a change is noticed too, only later. */
  #watchNetwork(signal: AbortSignal): Running {
    const monitor = this.#options.commands.start(['ip', '-o', 'monitor', 'link', 'address', 'route'], () =>
      this.wake(),
    );
    void monitor.exited.then(({ stderr }) => {
      if (!signal.aborted) this.#options.log(`changes of the network are not watched: ${stderr}`);
    });
    return monitor;
  }
}

import type { Commands } from '../../host/exec.ts';
import { advancePath } from '../../laptop/path/advance.ts';
import {
  type Candidate,
  newPath,
  type PathEffect,
  type PathEvent,
  type PathStanding,
  type PathState,
} from '../../laptop/path/state.ts';
import type { DeviceKeys } from '../../laptop/renderings.ts';
import type { TunnelPeer } from '../../laptop/tunnel.ts';
import { type ClientGateway, CONFIGURATION_PORT } from '../../mesh/client-configuration.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { checkPath } from './check-path.ts';
import type { EndpointNames } from './endpoint-names.ts';
import { type Raceway, raceCandidates } from './race-all.ts';

/** A gateway as the tunnel has it. */
export interface KeptGateway {
  readonly gateway: ClientGateway;
  readonly peer: TunnelPeer;
  readonly device: string;
  /** The device's own. */
  readonly addresses: readonly IpAddress[];
  readonly presharedKeyFile: string | undefined;
}

/** What all paths of a tunnel share. */
export interface PathMeans extends Raceway {
  readonly commands: Commands;
  readonly names: EndpointNames;
  /** Read anew for each race, for they may be rotated. */
  readonly keys: () => DeviceKeys;
  /** Told once a path was first found to work, and whenever its address or its condition has changed. */
  readonly onStanding: (gateway: ClientGateway, standing: PathStanding) => void;
  /** Called while a check runs and as it ends: the interface now carries packets of ours. */
  readonly onCheck: (isRunning: boolean) => void;
  readonly log: (text: string) => void;
}

/** The way to one gateway: carries out what `advancePath` decides, one thing at a time. */
export class GatewayPath {
  readonly #means: PathMeans;
  #kept: KeptGateway;
  #state: PathState;
  #job = new AbortController();
  #announced: PathStanding | undefined;
  #isClosed = false;

  constructor(
    kept: KeptGateway,
    first: Candidate & { readonly rttMs?: number | undefined },
    isAlone: boolean,
    means: PathMeans,
  ) {
    this.#means = means;
    this.#kept = kept;
    this.#state = newPath(first, isAlone, this.#moment());
  }

  get standing(): PathStanding {
    return this.#state.standing;
  }

  /** Takes what the configuration says of it now. */
  update(kept: KeptGateway, isAlone: boolean): void {
    this.#kept = kept;
    this.#state = { ...this.#state, isAlone };
    if (!kept.gateway.endpoints.includes(this.standing.endpoint)) this.tell({ kind: 'unlisted' });
  }

  tell(event: PathEvent): void {
    if (this.#isClosed) return;
    const turn = advancePath(this.#state, event, this.#moment());
    this.#state = turn.state;
    for (const effect of turn.effects) this.#carryOut(effect);
  }

  /** Gives up what is under way. */
  close(): void {
    this.#isClosed = true;
    this.#job.abort();
  }

  #moment() {
    return { now: this.#means.clock.monotonic(), unixMs: this.#means.clock.now() };
  }

  #carryOut(effect: PathEffect): void {
    if (effect.kind === 'tell') {
      this.#announce(effect.standing);
      return;
    }
    this.#job.abort();
    const job = new AbortController();
    this.#job = job;
    if (effect.kind === 'cancel') return;
    void this.#outcome(effect, job.signal).then((event) => {
      if (!job.signal.aborted) this.tell(event);
    });
  }

  /** Not each check that finds the path as it was. */
  #announce(standing: PathStanding): void {
    const last = this.#announced;
    this.#announced = standing;
    if (last?.condition === standing.condition && last.address === standing.address) return;
    this.#means.onStanding(this.#kept.gateway, standing);
  }

  /** Never rejects: what cannot be done now is tried again as the path decides. */
  async #outcome(
    effect: Exclude<PathEffect, { readonly kind: 'tell' | 'cancel' }>,
    signal: AbortSignal,
  ): Promise<PathEvent> {
    try {
      if (effect.kind === 'check') return { kind: 'checked', rttMs: await this.#check(effect.timeoutMs, signal) };
      if (effect.kind === 'race') return { kind: 'raced', winner: await this.#race(effect, signal) };
      await this.#set(effect.to);
      return { kind: 'set', ok: true };
    } catch (error) {
      if (!signal.aborted)
        this.#means.log(
          `${effect.kind} of ${this.#kept.gateway.name}: ${error instanceof Error ? error.message : error}`,
        );
      if (effect.kind === 'check') return { kind: 'checked', rttMs: undefined };
      return effect.kind === 'race' ? { kind: 'raced', winner: undefined } : { kind: 'set', ok: false };
    }
  }

  async #check(timeoutMs: number, signal: AbortSignal): Promise<number | undefined> {
    const { gateway, addresses } = this.#kept;
    const { clock, onCheck } = this.#means;
    for (const to of gateway.addresses) {
      const from = addresses.find((address) => addressFamily(address) === addressFamily(to));
      if (from === undefined) continue;
      onCheck(true);
      try {
        return await checkPath({ from, to, port: CONFIGURATION_PORT, timeoutMs }, { clock, signal });
      } finally {
        onCheck(false);
      }
    }
    throw new Error('no mesh address of the gateway is of a family that this device has');
  }

  /** The present one first, by which it wins among equally near ones; also at an address that its name no longer has. */
  async #race({ present, avoid }: Extract<PathEffect, { readonly kind: 'race' }>, signal: AbortSignal) {
    const { publicKey, endpoints } = this.#kept.gateway;
    const listed = await this.#means.names.candidates(endpoints);
    const others = listed.filter(({ address }) => address !== present.address);
    const all = endpoints.includes(present.endpoint) ? [present, ...others] : listed;
    const candidates = all.filter(({ address }) => !avoid.includes(address));
    return raceCandidates({ publicKey, candidates, keys: this.#means.keys() }, this.#means, signal);
  }

  /** In one command: the peer made anew shakes hands at once, while one that only gets another endpoint does so after 15 s. */
  async #set({ address }: Candidate): Promise<void> {
    const { peer, device, presharedKeyFile } = this.#kept;
    const words = [
      ...['peer', peer.publicKey, 'remove', 'peer', peer.publicKey],
      ...(presharedKeyFile === undefined ? [] : ['preshared-key', presharedKeyFile]),
      ...['endpoint', address, 'persistent-keepalive', String(peer.persistentKeepalive)],
      ...['allowed-ips', peer.allowedIPs.join(',')],
    ];
    // `wg` quotes a key that it cannot read.
    await this.#means.commands.run(['wg', 'set', device, ...words], { secret: presharedKeyFile !== undefined });
  }
}

import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Commands } from '../../host/exec.ts';
import { problemOf } from '../../laptop/acceptable.ts';
import { newsOf, withAnotherKey } from '../../laptop/news.ts';
import type { PathStanding } from '../../laptop/path/state.ts';
import type { DeviceKeys } from '../../laptop/renderings.ts';
import { stepText } from '../../laptop/steps.ts';
import { gatewayAddresses, type Tunnel, tunnelOf } from '../../laptop/tunnel.ts';
import type { ClientConfiguration, ClientGateway } from '../../mesh/client-configuration.ts';
import { wgQuick } from '../../mesh/wg-quick.ts';
import type { PublicKey } from '../../net/key.ts';
import { publicKeyOf } from '../../net/key-pair.ts';
import { systemClock } from '../../runtime/clock.ts';
import { locked } from '../names/lock.ts';
import { SYSTEM_PATHS } from '../names/paths.ts';
import { UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import { CounterReader } from '../path/counters.ts';
import { lookupHere } from '../path/endpoint-names.ts';
import { PathKeeper } from '../path/path-keeper.ts';
import { type FirstToAnswer, raceAll } from '../path/race-all.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';
import { toldCommands } from '../told-commands.ts';
import { removeFullWays } from '../tunnel/full-ways.ts';
import { LinuxTunnel, NO_LOOK } from '../tunnel/linux-tunnel.ts';
import { defaultGateways } from '../tunnel/other-routes.ts';
import { FullHold } from './full-hold.ts';
import { gatewayStatus } from './gateway-status.ts';
import { Refresher } from './refresher.ts';
import type { Notice, TunnelStatus } from './status.ts';
import { StatusServer } from './status-socket.ts';
import { TunnelNames } from './tunnel-names.ts';

export interface SupervisorOptions {
  readonly profiles: Profiles;
  readonly name: string;
  readonly runFolder: string;
  readonly names: boolean;
  /** Everything goes into the tunnel, and nothing beside it. */
  readonly full: boolean;
  /** Each command is told as well. */
  readonly verbose: boolean;
  readonly log: (text: string) => void;
  readonly commands?: Commands | undefined;
}

const MOST_NOTICES = 10;
const MEND_MS = 1_000;
const MACHINE = { clock: systemClock, randomBytes, lookup: lookupHere };

/**
 * Holds one tunnel up: makes the interface, keeps it at the profile's configuration and key, moves to another endpoint when the path dies,
 * asks the gateway for a newer configuration, and tells whoever asks how it is. It holds nothing that it could not find again: killed, it
 * leaves a kernel tunnel that goes on, and the next one adopts it.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #commands: Commands;
  readonly #tunnel: LinuxTunnel;
  readonly #refresher: Refresher;
  readonly #names: TunnelNames | undefined;
  readonly #full: FullHold | undefined;
  readonly #since = new Date();
  #joined: JoinedProfile;
  #first: ReadonlyMap<PublicKey, FirstToAnswer> = new Map();
  #notices: readonly Notice[] = [];
  #socket: StatusServer | undefined;
  #keeper: PathKeeper | undefined;
  #syncing: Promise<void> = Promise.resolve();
  /** The commands of bringing it up, where they are to be told. */
  readonly #ran: string[] = [];
  #isOpen = false;
  /** A gateway's key that did not answer when the tunnel was to move to it. */
  #unprovenKey: PublicKey | undefined;
  /** The text of what was last applied whole, or refused. */
  #applied: string | undefined;
  /** What has changed by a configuration that the machine does not follow yet. */
  #untold: readonly string[] = [];

  constructor(options: SupervisorOptions) {
    const { profiles, name, runFolder, log, verbose } = options;
    const commands = options.commands ?? ownCommands();
    this.#options = options;
    this.#commands = verbose ? toldCommands(commands, (line) => this.#tellCommand(line)) : commands;
    this.#joined = profiles.read(name);
    this.#tunnel = new LinuxTunnel({
      commands: this.#commands,
      runDir: runFolder,
      privateKeyFile: profiles.privateKeyFile(name),
    });
    const notify = (text: string) => this.#notify(text);
    this.#names = options.names
      ? new TunnelNames({ profile: this.#joined.profile, commands: this.#commands, everything: options.full, notify })
      : undefined;
    const { device } = this.#joined.profile;
    const place = { device, commands: this.#commands, runDir: runFolder };
    this.#full = options.full
      ? new FullHold({ ...place, configuration: () => this.#joined.configuration, notify })
      : undefined;
    this.#refresher = new Refresher({
      addresses: () => gatewayAddresses(this.#joined.configuration),
      from: () => this.#joined.configuration.addresses,
      take: (configuration) => this.#take(configuration),
      log,
    });
  }

  /** Brings the tunnel up. Returns what was done, in words or, where they are wished, in commands. */
  async open(): Promise<readonly string[]> {
    const { runFolder, name, verbose } = this.#options;
    // First of all, so that of two that begin at once one does nothing.
    this.#socket = await locked(SYSTEM_PATHS, () => StatusServer.listen(runFolder, name, () => this.status()));
    const wasFull = (await this.#full?.isHere()) === true;
    try {
      const { configuration } = this.#joined;
      await this.#refuse(configuration);
      if (this.#full === undefined)
        await removeFullWays(this.#options.commands ?? ownCommands(), this.#joined.profile.device);
      else await this.#full.adopt();
      this.#first = await raceAll(configuration, this.#keys(), this.#machine());
      const did = [...(await this.#sync()), ...((await this.#names?.sync(configuration)) ?? [])];
      this.#applied = wgQuick(configuration);
      this.#isOpen = true;
      return verbose ? this.#ran.splice(0) : did;
    } catch (error) {
      const incomplete = (second: Error) => this.#options.log(`not all of it was taken back: ${second.message}`);
      await this.close().catch(incomplete);
      if (!wasFull) await this.#full?.remove().catch(incomplete);
      throw error;
    }
  }

  /** The gateways that answered nowhere when the tunnel was brought up. */
  get unanswered(): readonly string[] {
    const { gateways } = this.#joined.configuration;
    return gateways.flatMap(({ name, publicKey }) => (this.#first.has(publicKey) ? [] : [name]));
  }

  /** Keeps it up until the signal is aborted, then takes it down. */
  async run(signal: AbortSignal): Promise<void> {
    const counters = new CounterReader();
    try {
      this.#watchKey(signal);
      this.#keeper = this.#newKeeper(counters);
      const others = [this.#refresher.run(signal), this.#mend(counters, signal), this.#full?.watch(signal)];
      await Promise.all([this.#keeper.run(signal), ...others]);
    } finally {
      counters.close();
      await this.close();
    }
  }

  /**
   * Takes the tunnel down, whichever part of it fails to go. What keeps everything else from leaving beside a full tunnel stays: this end may be
   * nobody's wish, and only `down` opens it.
   */
  async close(): Promise<void> {
    this.#socket?.close();
    await this.#syncing;
    try {
      await this.#names?.close();
    } finally {
      await this.#tunnel.remove(this.#joined.profile.device);
      await this.#tunnel.close();
    }
  }

  /** How it is now. */
  async status(): Promise<TunnelStatus> {
    const { profile, configuration } = this.#joined;
    const { publicKey, peers } = await this.#tunnel.look(profile.device).catch((error: Error) => {
      this.#options.log(`the interface does not tell how it is: ${error.message}`);
      return NO_LOOK;
    });
    const standings = this.#keeper?.standings;
    const { refreshedAt } = this.#refresher;
    const names = this.#names?.text;
    return {
      profile: profile.name,
      pid: process.pid,
      device: profile.device,
      ...(publicKey === undefined ? {} : { publicKey }),
      since: this.#since.toISOString(),
      addresses: [...configuration.addresses],
      routes: [...this.#wanted().routes],
      full: this.#full !== undefined,
      ...(names === undefined ? {} : { names }),
      gateways: configuration.gateways.map((gateway) => {
        const { publicKey } = gateway;
        return gatewayStatus(gateway, peers.get(publicKey), standings?.get(publicKey));
      }),
      ...(refreshedAt === undefined ? {} : { refreshedAt: refreshedAt.toISOString() }),
      notices: [...this.#notices],
    };
  }

  /** Brings the machine to what is wanted now, one time after the other. */
  #sync(): Promise<readonly string[]> {
    const work = this.#syncing
      .catch(() => undefined)
      .then(async () => {
        const tunnel = this.#wanted();
        const done = await this.#tunnel.sync(tunnel);
        return [...done.map((step) => stepText(step, tunnel.device)), ...((await this.#full?.sync()) ?? [])];
      });
    // Whoever asked for it is told why it failed; the next one waits for its end alone.
    this.#syncing = work.then(
      (did) => {
        for (const text of did) this.#options.log(text);
      },
      () => undefined,
    );
    return work;
  }

  #newKeeper(counters: CounterReader): PathKeeper {
    const { log } = this.#options;
    return new PathKeeper({
      ...this.#machine(),
      configuration: this.#joined.configuration,
      tunnel: this.#wanted(),
      first: this.#first,
      keys: () => this.#keys(),
      commands: this.#commands,
      counters,
      onStanding: (gateway, standing) => this.#stands(gateway, standing),
      log,
    });
  }

  /** Makes the interface anew when it has gone, and serves it again when its wireguard-go has. */
  async #mend(counters: CounterReader, signal: AbortSignal): Promise<void> {
    const { device } = this.#joined.profile;
    let isWhole = true;
    this.#tunnel.onEnd((what) => {
      isWhole = false;
      this.#notify(what);
    }, signal);
    while (!signal.aborted) {
      await delay(MEND_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || (isWhole && counters.read(device) !== undefined)) continue;
      isWhole = true;
      try {
        await this.#sync();
        await this.#names?.sync(this.#joined.configuration);
        this.#notify(`the interface ${device} was gone and is back`);
      } catch (error) {
        isWhole = false;
        this.#options.log(`the interface is not back: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  /** A path that was lost may have been lost for a reason that the next configuration tells. */
  #stands({ name }: ClientGateway, { condition, address }: PathStanding): void {
    this.#options.log(`gateway ${name} at ${address}: ${condition}`);
    if (condition === 'working') this.#refresher.wake();
  }

  #wanted(): Tunnel {
    const { profiles, name } = this.#options;
    return tunnelOf(this.#joined.configuration, {
      device: this.#joined.profile.device,
      publicKey: publicKeyOf(this.#keys().privateKey),
      privateKeyFile: profiles.privateKeyFile(name),
      presharedKeyFile: profiles.presharedKeyFile(name),
      full: this.#full !== undefined,
      endpoints: new Map([...this.#first].map(([key, { address }]) => [key, address])),
    });
  }

  #machine() {
    return { ...MACHINE, ...this.#full?.raceway };
  }

  #keys(): DeviceKeys {
    const { profiles, name } = this.#options;
    return profiles.keys(name);
  }

  /** `sallyport rotate` puts another key in the place of the key, and back if that does not prove good. */
  #watchKey(signal: AbortSignal): void {
    const { profiles, name } = this.#options;
    const file = profiles.privateKeyFile(name);
    const watcher = watch(dirname(file), { signal }, (_event, changed) => {
      if (changed !== basename(file)) return;
      this.#sync().then(
        // Asking a gateway begins a session with the new key at once, by which the nodes know that it is in use.
        () => this.#refresher.wake(),
        (error: Error) => this.#notify(`the new key is not taken: ${error.message}`),
      );
    });
    watcher.on('error', (error) => this.#notify(`a new key would not be noticed: ${error.message}`));
  }

  /**
   * The profile keeps it first: whatever breaks off then, the next `up` has it. What was not applied whole is taken again when the gateway
   * is asked the next time.
   */
  async #take(configuration: ClientConfiguration): Promise<void> {
    const { profiles, name } = this.#options;
    const text = wgQuick(configuration);
    if (text === this.#applied) return;
    try {
      await this.#refuse(configuration);
    } catch (error) {
      this.#notify(`a new configuration is not taken: ${error instanceof Error ? error.message : error}`);
      this.#applied = text;
      return;
    }
    const hasAnotherKey = withAnotherKey(this.#joined.configuration, configuration).length > 0;
    await this.#proveKeys(configuration);
    this.#untold = [...this.#untold, ...newsOf(this.#joined.configuration, configuration)];
    profiles.writeConfiguration(name, configuration);
    this.#joined = { ...this.#joined, configuration };
    await this.#sync();
    for (const sentence of this.#untold) this.#notify(sentence);
    this.#untold = [];
    await this.#keeper?.update(configuration, this.#wanted());
    await this.#names?.sync(configuration);
    this.#applied = text;
    // Whoever only waits for answers sends nothing, and a node leads them to the other key once it has seen a packet by it.
    if (hasAnotherKey) this.#refresher.wake();
  }

  /**
   * A gateway's other key is dialled at another port, which a firewall may not let through: the tunnel moves to it once it has answered.
   * @throws when it does not, and then the present key is gone on with
   */
  async #proveKeys(configuration: ClientConfiguration): Promise<void> {
    const changed = withAnotherKey(this.#joined.configuration, configuration);
    if (changed.length === 0) return;
    const answered = await raceAll({ gateways: changed }, this.#keys(), this.#machine());
    const silent = changed.find(({ publicKey }) => !answered.has(publicKey));
    if (silent === undefined) {
      this.#first = new Map([...this.#first, ...answered]);
      this.#unprovenKey = undefined;
      return;
    }
    const { name, publicKey, endpoints } = silent;
    const problem = `gateway ${name} has another key by now, which does not answer at ${endpoints.join(', ')}; is the UDP port open on the way? The tunnel goes on with the key before, until that ends`;
    if (this.#unprovenKey !== publicKey) this.#notify(problem);
    this.#unprovenKey = publicKey;
    throw new Error(problem);
  }

  /** @throws {UserError} when root must not act on the configuration */
  async #refuse(configuration: ClientConfiguration): Promise<void> {
    const joined = this.#joined.configuration.dns?.domain;
    const problem = problemOf(configuration, { keepOut: await defaultGateways(this.#commands), domain: joined });
    if (problem !== undefined) throw new UserError(problem);
  }

  #tellCommand(line: string): void {
    if (!this.#isOpen) this.#ran.push(line);
    this.#options.log(line);
  }

  #notify(text: string): void {
    const at = new Date().toISOString();
    this.#notices = [...this.#notices, { at, text }].slice(-MOST_NOTICES);
    this.#options.log(text);
  }
}

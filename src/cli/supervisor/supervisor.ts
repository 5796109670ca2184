import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Commands } from '../../host/exec.ts';
import { splitNames } from '../../laptop/names/split-names.ts';
import { newsOf } from '../../laptop/news.ts';
import type { PathStanding } from '../../laptop/path/state.ts';
import type { DeviceKeys } from '../../laptop/renderings.ts';
import { stepText } from '../../laptop/steps.ts';
import { gatewayAddresses, type Tunnel, tunnelOf } from '../../laptop/tunnel.ts';
import type { ClientConfiguration, ClientGateway } from '../../mesh/client-configuration.ts';
import { type PublicKey, publicKeyOf } from '../../net/key.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type OpenNames, openNames } from '../names/open-names.ts';
import { SYSTEM_PATHS } from '../names/paths.ts';
import { UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import { CounterReader } from '../path/counters.ts';
import { lookupHere } from '../path/endpoint-names.ts';
import { PathKeeper } from '../path/path-keeper.ts';
import { type FirstToAnswer, raceAll } from '../path/race-all.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';
import { toldCommands } from '../told-commands.ts';
import { LinuxTunnel } from '../tunnel/linux-tunnel.ts';
import { gatewayStatus, namesText } from './gateway-status.ts';
import { Refresher } from './refresher.ts';
import type { Notice, TunnelStatus } from './status.ts';
import { StatusServer, statusSocket } from './status-socket.ts';

export interface SupervisorOptions {
  readonly profiles: Profiles;
  readonly name: string;
  readonly runFolder: string;
  readonly names: boolean;
  /** Each command is told as well. */
  readonly verbose: boolean;
  readonly log: (text: string) => void;
  readonly commands?: Commands | undefined;
}

const MOST_NOTICES = 10;
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
  readonly #since = new Date();
  #joined: JoinedProfile;
  #first: ReadonlyMap<PublicKey, FirstToAnswer> = new Map();
  #notices: readonly Notice[] = [];
  #socket: StatusServer | undefined;
  #names: OpenNames | undefined;
  #keeper: PathKeeper | undefined;
  #syncing: Promise<void> = Promise.resolve();
  /** The commands of bringing it up, where they are to be told. */
  readonly #ran: string[] = [];

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
    this.#refresher = new Refresher({
      addresses: () => gatewayAddresses(this.#joined.configuration),
      take: (configuration) => this.#take(configuration),
      log,
    });
  }

  /** Brings the tunnel up. Returns what was done, in words or, where they are wished, in commands. */
  async open(): Promise<readonly string[]> {
    const { runFolder, name } = this.#options;
    try {
      this.#first = await raceAll(this.#joined.configuration, this.#keys(), MACHINE);
      const did = [...(await this.#sync()), ...(await this.#openNames())];
      const ran = this.#ran.splice(0);
      this.#socket = await StatusServer.listen(statusSocket(runFolder, name), () => this.status());
      return this.#options.verbose ? ran : did;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Keeps it up until the signal is aborted, then takes it down. */
  async run(signal: AbortSignal): Promise<void> {
    const counters = new CounterReader();
    try {
      this.#watchKey(signal);
      this.#keeper = this.#newKeeper(counters);
      await Promise.all([this.#keeper.run(signal), this.#refresher.run(signal)]);
    } finally {
      counters.close();
      await this.close();
    }
  }

  /** Takes the tunnel down; nothing of it stays. */
  async close(): Promise<void> {
    this.#socket?.close();
    await this.#syncing.catch(() => undefined);
    await this.#names?.close();
    await this.#tunnel.remove(this.#joined.profile.device);
    await this.#tunnel.close();
  }

  /** How it is now. */
  async status(): Promise<TunnelStatus> {
    const { profile, configuration } = this.#joined;
    const peers = await this.#tunnel.peers(profile.device);
    const standings = this.#keeper?.standings;
    const { refreshedAt } = this.#refresher;
    return {
      profile: profile.name,
      pid: process.pid,
      device: profile.device,
      since: this.#since.toISOString(),
      addresses: [...configuration.addresses],
      routes: [...this.#wanted().routes],
      ...(this.#names === undefined ? {} : { names: namesText(this.#names) }),
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
        return done.map((step) => stepText(step, tunnel.device));
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
      ...MACHINE,
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

  /** A path that was lost may have been lost for a reason that the next configuration tells. */
  #stands({ name }: ClientGateway, { condition, address }: PathStanding): void {
    this.#options.log(`gateway ${name} at ${address}: ${condition}`);
    if (condition === 'working') this.#refresher.wake();
  }

  /**
   * Sends the names of the cluster into it. Names that cannot be set up are told, and are no reason to have no tunnel.
   */
  async #openNames(): Promise<readonly string[]> {
    if (!this.#options.names) return [];
    const { profile, configuration } = this.#joined;
    const wished = splitNames(configuration, { hasShortNames: true, everything: false });
    if (!wished.ok) throw new UserError(`the names of the cluster: ${wished.problem}`);
    if (wished.value === undefined) {
      await this.#names?.close();
      this.#names = undefined;
      return [];
    }
    try {
      if (this.#names !== undefined) {
        await this.#names.update(wished.value);
        return [];
      }
      this.#names = await openNames({
        profile: profile.name,
        device: profile.device,
        names: wished.value,
        commands: this.#commands,
        paths: SYSTEM_PATHS,
        onNote: (text) => this.#notify(text),
      });
      return [`ask the cluster for names below ${configuration.dns?.domain} (${this.#names.backend})`];
    } catch (error) {
      this.#notify(`names are not set up: ${error instanceof Error ? error.message : error}`);
      return [];
    }
  }

  #wanted(): Tunnel {
    const { profiles, name } = this.#options;
    return tunnelOf(this.#joined.configuration, {
      device: this.#joined.profile.device,
      publicKey: publicKeyOf(this.#keys().privateKey),
      privateKeyFile: profiles.privateKeyFile(name),
      presharedKeyFile: profiles.presharedKeyFile(name),
      endpoints: new Map([...this.#first].map(([key, { address }]) => [key, address])),
    });
  }

  #keys(): DeviceKeys {
    const { profiles, name } = this.#options;
    return profiles.keys(name);
  }

  /** `sallyport rotate` puts another key in the place of the key. */
  #watchKey(signal: AbortSignal): void {
    const { profiles, name } = this.#options;
    const file = profiles.privateKeyFile(name);
    const watcher = watch(dirname(file), { signal }, (_event, changed) => {
      if (changed !== basename(file)) return;
      this.#sync().catch((error: Error) => this.#notify(`the new key is not taken: ${error.message}`));
    });
    watcher.on('error', (error) => this.#notify(`a new key would not be noticed: ${error.message}`));
  }

  /** The profile keeps it first: whatever breaks off then, the next `up` has it. */
  async #take(configuration: ClientConfiguration): Promise<void> {
    const { profiles, name } = this.#options;
    const news = newsOf(this.#joined.configuration, configuration);
    if (news.length === 0) return;
    profiles.writeConfiguration(name, configuration);
    this.#joined = { ...this.#joined, configuration };
    for (const text of news) this.#notify(text);
    await this.#sync();
    await this.#keeper?.update(configuration, this.#wanted());
    await this.#openNames();
  }

  #tellCommand(line: string): void {
    if (this.#socket === undefined) this.#ran.push(line);
    this.#options.log(line);
  }

  #notify(text: string): void {
    const at = new Date().toISOString();
    this.#notices = [...this.#notices, { at, text }].slice(-MOST_NOTICES);
    this.#options.log(text);
  }
}

import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ObservedPeer } from '../../dataplane/wireguard/device.ts';
import type { Commands } from '../../host/exec.ts';
import { splitNames } from '../../laptop/names/split-names.ts';
import { newsOf } from '../../laptop/news.ts';
import { stepText } from '../../laptop/steps.ts';
import { gatewayAddresses, type Tunnel, tunnelOf } from '../../laptop/tunnel.ts';
import type { ClientConfiguration, ClientGateway } from '../../mesh/client-configuration.ts';
import { publicKeyOf } from '../../net/key.ts';
import { type OpenNames, openNames } from '../names/open-names.ts';
import { SYSTEM_PATHS } from '../names/paths.ts';
import { UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';
import { LinuxTunnel } from '../tunnel/linux-tunnel.ts';
import { askGateway } from './refresh.ts';
import type { GatewayStatus, Notice, TunnelStatus } from './status.ts';
import { StatusServer, statusSocket } from './status-socket.ts';

export interface SupervisorOptions {
  readonly profiles: Profiles;
  readonly name: string;
  readonly runFolder: string;
  readonly full: boolean;
  readonly names: boolean;
  readonly log: (text: string) => void;
  readonly commands?: Commands | undefined;
}

/** A gateway is asked this often what this device should know. */
const REFRESH_MS = 30_000;
/** After a question that nobody answered, the next one. */
const REFRESH_AGAIN_MS = 10_000;
const MOST_NOTICES = 10;

/**
 * Holds one tunnel up: makes the interface, keeps it at the profile's configuration and key, asks the gateway for a newer one, and
 * tells whoever asks how it is. It holds nothing that it could not find again: killed, it leaves a kernel tunnel that goes on, and the next one adopts it.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #commands: Commands;
  readonly #tunnel: LinuxTunnel;
  readonly #since = new Date();
  #joined: JoinedProfile;
  #etag: string | undefined;
  #refreshedAt: Date | undefined;
  #notices: readonly Notice[] = [];
  #socket: StatusServer | undefined;
  #syncing: Promise<void> = Promise.resolve();
  #names: OpenNames | undefined;

  constructor(options: SupervisorOptions) {
    const { profiles, name, runFolder, commands = ownCommands() } = options;
    this.#options = options;
    this.#commands = commands;
    this.#joined = profiles.read(name);
    this.#tunnel = new LinuxTunnel({ commands, runDir: runFolder, privateKeyFile: profiles.privateKeyFile(name) });
  }

  /** Brings the tunnel up. Returns what was done, in words. */
  async open(): Promise<readonly string[]> {
    const { runFolder, name } = this.#options;
    try {
      const did = [...(await this.#sync()), ...(await this.#openNames())];
      this.#socket = await StatusServer.listen(statusSocket(runFolder, name), () => this.status());
      return did;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Keeps it up until the signal is aborted, then takes it down. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      this.#watchKey(signal);
      await this.#refreshForever(signal);
    } finally {
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
    const tunnel = this.#wanted();
    return {
      profile: profile.name,
      pid: process.pid,
      device: profile.device,
      since: this.#since.toISOString(),
      addresses: [...configuration.addresses],
      routes: [...tunnel.routes],
      ...(this.#names === undefined ? {} : { names: namesText(this.#names) }),
      gateways: configuration.gateways.map((gateway) => gatewayStatus(gateway, peers.get(gateway.publicKey))),
      ...(this.#refreshedAt === undefined ? {} : { refreshedAt: this.#refreshedAt.toISOString() }),
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
    this.#syncing = work.then((did) => {
      for (const text of did) this.#options.log(text);
    });
    return work;
  }

  /** Sends the names of the cluster into it. Names that cannot be set up are told; packets go through all the same. */
  async #openNames(): Promise<readonly string[]> {
    await this.#names?.close();
    this.#names = undefined;
    if (!this.#options.names) return [];
    const { profile, configuration } = this.#joined;
    const wished = splitNames(configuration, { hasShortNames: true, everything: this.#options.full });
    if (!wished.ok) throw new UserError(`the names of the cluster: ${wished.problem}`);
    if (wished.value === undefined) return [];
    try {
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
      this.#warn('names of the cluster are not set up', error);
      this.#notify(`names are not set up: ${error instanceof Error ? error.message : error}`);
      return [];
    }
  }

  #notify(text: string): void {
    const at = new Date().toISOString();
    this.#notices = [...this.#notices, { at, text }].slice(-MOST_NOTICES);
    this.#options.log(text);
  }

  #wanted(): Tunnel {
    const { profiles, name, full } = this.#options;
    const key = profiles.privateKey(name);
    if (key === undefined) throw new UserError(`profile ${name} has no key; join again with: sallyport join`);
    return tunnelOf(this.#joined.configuration, {
      device: this.#joined.profile.device,
      publicKey: publicKeyOf(key),
      privateKeyFile: profiles.privateKeyFile(name),
      presharedKeyFile: profiles.presharedKeyFile(name),
      full,
    });
  }

  /** `sallyport rotate` puts another key in the place of the key. */
  #watchKey(signal: AbortSignal): void {
    const { profiles, name } = this.#options;
    const file = profiles.privateKeyFile(name);
    const watcher = watch(dirname(file), { signal }, (_event, changed) => {
      if (changed === basename(file)) this.#sync().catch((error) => this.#warn('the new key is not taken', error));
    });
    watcher.on('error', (error) => this.#warn('the key is not watched', error));
  }

  async #refreshForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const answered = await this.#refresh();
      await delay(answered ? REFRESH_MS : REFRESH_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Asks the gateways in turn until one tells. Says whether one did. */
  async #refresh(): Promise<boolean> {
    for (const address of gatewayAddresses(this.#joined.configuration)) {
      try {
        const told = await askGateway(address, this.#etag);
        this.#refreshedAt = new Date();
        if (told.kind === 'new') await this.#take(told.configuration);
        if (told.kind === 'new') this.#etag = told.etag;
        return true;
      } catch (error) {
        this.#warn('the configuration was not refreshed', error);
      }
    }
    return false;
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
    await this.#openNames();
  }

  #warn(what: string, error: unknown): void {
    this.#options.log(`${what}: ${error instanceof Error ? error.message : error}`);
  }
}

function namesText({ backend, address }: OpenNames): string {
  return address === undefined ? backend : `${backend}, by a forwarder at ${address}`;
}

function gatewayStatus({ name, publicKey }: ClientGateway, peer: ObservedPeer | undefined): GatewayStatus {
  const { endpoint, latestHandshake = 0, receivedBytes = 0, sentBytes = 0 } = peer ?? {};
  return {
    name,
    publicKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    path: latestHandshake === 0 ? 'unknown' : 'online',
    ...(latestHandshake === 0 ? {} : { latestHandshake: new Date(latestHandshake * 1000).toISOString() }),
    receivedBytes,
    sentBytes,
  };
}

import { release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseLinks } from '../dataplane/link/parse.ts';
import type { DataplaneChoice, ObservedDevice } from '../dataplane/wireguard/device.ts';
import { parseDump } from '../dataplane/wireguard/parse.ts';
import type { PeerChange } from '../dataplane/wireguard/peer-change.ts';
import { type PeerSyntax, peerCommands, peerSyntax } from '../dataplane/wireguard/render.ts';
import type { PublicKey } from '../net/key.ts';
import type { Commands, Running } from './exec.ts';
import { ExecError, failedSaying } from './exec-error.ts';
import { KeyMismatch, mountedPublicKey } from './keys.ts';
import { withoutPort } from './port-busy.ts';
import { PresharedKeyFolder } from './preshared-keys.ts';
import { writeScratch } from './scratch.ts';
import { withoutInotify, withoutKernelWireGuard, withoutTun } from './wireguard-unavailable.ts';

export interface WireGuardOptions {
  /** Where the private key is; a function tells it of each of several by its public half. */
  readonly privateKeyFile: string | ((publicKey: PublicKey) => string);
  /** The wireguard-go program. */
  readonly wireguardGo: string;
  readonly runDir: string;
  /** Where preshared keys are mounted; none unless given. */
  readonly presharedKeys?: PresharedKeyFolder | undefined;
}

/** A userspace interface's process ended by itself. */
export type OnEnd = (what: string) => void;

export type OnTouch = (key: PublicKey) => void;

const NOT_THERE =
  /Protocol not supported|Operation not supported|No such device|No such file or directory|Cannot find device/;
const START_MS = 5000;
const POLL_MS = 20;
/** wireguard-go writes its errors to stdout, a line each, and no key of a device among them. */
const SAID_MOST = 3;
const SAID_BEFORE = /^ERROR: \(\S+\) \S+ \S+ /;
const STARTED_MOST = 5;

/** WireGuard interfaces, by way of `ip`, `wg` and, where the kernel has none, wireguard-go as our child. */
export class WireGuard {
  readonly #commands: Commands;
  readonly #options: WireGuardOptions;
  readonly #children = new Map<string, Running>();
  readonly #ended = new Set<OnEnd>();
  readonly #touched = new Set<OnTouch>();
  readonly #presharedKeys: PresharedKeyFolder;
  #syntax: PeerSyntax | undefined;

  constructor(commands: Commands, options: WireGuardOptions) {
    this.#commands = commands;
    this.#options = options;
    this.#presharedKeys = options.presharedKeys ?? new PresharedKeyFolder(undefined);
  }

  /** What `wg` tells of the device; undefined when nobody serves it. */
  async dump(device: string): Promise<Pick<ObservedDevice, 'publicKey' | 'listenPort' | 'peers'> | undefined> {
    try {
      const text = await this.#commands.run(['wg', 'show', device, 'dump']);
      return parseDump(text, (key) => this.#presharedKeys.fingerprint(key));
    } catch (error) {
      if (failedSaying(error, NOT_THERE)) return undefined;
      throw error;
    }
  }

  /** Makes the interface, the kernel's where the choice and the kernel allow it. */
  async create(device: string, choice: DataplaneChoice): Promise<void> {
    if (choice === 'Userspace') return this.#createTun(device);
    try {
      await this.#commands.run(['ip', 'link', 'add', 'dev', device, 'type', 'wireguard']);
    } catch (error) {
      if (failedSaying(error, /File exists/)) return;
      if (choice === 'Kernel') throw withoutKernelWireGuard(error);
      await this.#createTun(device);
    }
  }

  /**
   * Starts wireguard-go on the interface and waits until it answers. `wg` removes a socket that refuses it, also one on which wireguard-go
   * is about to listen (wireguard-tools, ipc-uapi-unix.h); wireguard-go ends then, and is started again.
   */
  async start(device: string): Promise<void> {
    if (await this.#answers(device)) return;
    await this.#stopChild(device);
    for (let left = STARTED_MOST; ; left -= 1) {
      const failed = await this.#startChild(device);
      if (failed === undefined) return;
      if (left === 1 || failed.wasStopped || !hasLostSocket(failed.error)) throw withoutInotify(failed.error);
    }
  }

  /**
   * Loads the private key, when `publicKey` says which, and the port. @throws {KeyMismatch} when the mounted key is another,
   * {PortBusy} when another program has the port and the interface is up; else the kernel says so once it is brought up.
   */
  async set(device: string, publicKey: PublicKey | undefined, listenPort: number | undefined): Promise<void> {
    if (publicKey !== undefined) {
      const { privateKeyFile: where } = this.#options;
      const privateKeyFile = typeof where === 'string' ? where : where(publicKey);
      const mounted = await mountedPublicKey(privateKeyFile);
      if (!mounted.ok || mounted.value !== publicKey) throw new KeyMismatch(publicKey, mounted);
      // `wg` may quote what it cannot read.
      await this.#commands.run(['wg', 'set', device, 'private-key', privateKeyFile], { secret: true });
    }
    if (listenPort === undefined) return;
    try {
      await this.#commands.run(['wg', 'set', device, 'listen-port', String(listenPort)]);
    } catch (error) {
      throw await withoutPort(this.#commands, device, listenPort, error);
    }
  }

  async setPeers(device: string, changes: readonly PeerChange[]): Promise<void> {
    this.#syntax ??= await this.#detectSyntax(device);
    this.#touch(changes);
    const target = { device, presharedKeys: this.#presharedKeys.path };
    for (const argv of peerCommands(target, changes, this.#syntax)) {
      // `wg` quotes a key that it cannot read.
      await this.#commands.run(argv, { secret: argv.includes('preshared-key') });
    }
    this.#touch(changes);
  }

  /** Takes the interface away, its peers first: each one still there would cost the deletion of the link 17 ms. */
  async remove(device: string): Promise<void> {
    if ((await this.dump(device))?.peers.size) {
      const empty = await writeScratch(this.#options.runDir, `${device}.conf`, '[Interface]\n');
      await this.#commands.run(['wg', 'setconf', device, empty]);
    }
    await this.#stopChild(device);
    try {
      await this.#commands.run(['ip', 'link', 'delete', 'dev', device]);
    } catch (error) {
      if (!failedSaying(error, NOT_THERE)) throw error;
    }
  }

  onEnd(listener: OnEnd, signal: AbortSignal): void {
    this.#ended.add(listener);
    signal.addEventListener('abort', () => this.#ended.delete(listener), { once: true });
  }

  /** Tells of every peer that we are about to change and have changed. */
  onTouch(listener: OnTouch, signal: AbortSignal): void {
    this.#touched.add(listener);
    signal.addEventListener('abort', () => this.#touched.delete(listener), { once: true });
  }

  /** Ends the processes of userspace interfaces; the interfaces stay, without service. */
  async close(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((device) => this.#stopChild(device)));
  }

  /**
   * A persistent TUN of our own making: wireguard-go attaches to it (it asks for IFF_VNET_HDR, which the kernel then switches
   * on; not for multiple queues), and link, ifindex, addresses and routes survive it.
   */
  async #createTun(device: string): Promise<void> {
    try {
      await this.#commands.run(['ip', 'tuntap', 'add', 'dev', device, 'mode', 'tun']);
    } catch (error) {
      if (!failedSaying(error, /busy|File exists/)) throw withoutTun(error);
    }
    await this.start(device);
  }

  #touch(changes: readonly PeerChange[]): void {
    for (const listener of this.#touched) for (const { publicKey } of changes) listener(publicKey);
  }

  /** Resolves with what went wrong where it does not answer, and whether somebody here has ended it meanwhile. */
  async #startChild(device: string): Promise<{ readonly error: ExecError; readonly wasStopped: boolean } | undefined> {
    const said: string[] = [];
    const child = this.#commands.start([this.#options.wireguardGo, '-f', device], (line) => {
      if (said.length < SAID_MOST) said.push(line.replace(SAID_BEFORE, ''));
    });
    this.#children.set(device, child);
    let wasStopped = false;
    const exited = child.exited.then((exit) => {
      wasStopped = this.#children.get(device) !== child;
      if (wasStopped) return exit;
      this.#children.delete(device);
      for (const listener of this.#ended) listener(`wireguard-go of ${device} ended`);
      return exit;
    });
    for (let waited = 0; !(await this.#answers(device)); waited += POLL_MS) {
      const exit = await Promise.race([exited, delay(POLL_MS)]);
      if (exit === undefined && waited < START_MS) continue;
      await this.#stopChild(device);
      const stderr = [...said, exit?.stderr ?? ''].join('\n');
      const facts = { argv: ['wireguard-go', '-f', device], ...exit, stderr, timedOut: exit === undefined };
      return { error: new ExecError(facts), wasStopped };
    }
    return undefined;
  }

  async #stopChild(device: string): Promise<void> {
    const child = this.#children.get(device);
    this.#children.delete(device);
    await child?.stop();
  }

  /** Whether wireguard-go serves the interface; one that begins or ends may hang up in the middle of an answer, or of the question. */
  async #answers(device: string): Promise<boolean> {
    try {
      return (await this.dump(device)) !== undefined;
    } catch (error) {
      if (failedSaying(error, /Protocol error/) || wasHungUpOn(error)) return false;
      throw error;
    }
  }

  async #detectSyntax(device: string): Promise<PeerSyntax> {
    const version = await this.#commands.run(['wg', '--version']);
    const [link] = parseLinks(await this.#commands.run(['ip', '-json', '-details', 'link', 'show', 'dev', device]));
    return peerSyntax(version, release(), link?.kind === 'wireguard' ? 'Kernel' : 'Userspace');
  }
}

/** Whether wireguard-go has ended because its socket was removed, before it watched it or after. */
function hasLostSocket({ facts: { exitCode, stderr } }: ExecError): boolean {
  return exitCode === 0 || /uapi socket: no such file or directory/.test(stderr);
}

/** `wg` lets itself be ended by whoever closes the socket to which it writes. */
function wasHungUpOn(error: unknown): boolean {
  return error instanceof ExecError && error.facts.signal === 'SIGPIPE';
}

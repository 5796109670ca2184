import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { on, once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProbeVerdict } from '../../src/mesh/node-status.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { keyText } from '../../src/net/key.ts';
import { type KeyPair, keyPairFrom } from '../../src/net/key-pair.ts';
import type { ProbeTimeouts } from '../../src/usermode/probe.ts';
import type { ProbeResult } from '../../src/usermode/probe-result.ts';
import type { ProbeTarget } from '../../src/usermode/probe-socket.ts';
import { labTools } from '../lab/binaries.ts';
import { TOOL_MODULES } from '../lab/tool-list.ts';
import { namespacesHere } from './namespaces-here.ts';

/** The addresses of a namespace of one family. */
export interface Addresses {
  readonly gateway: IpAddress;
  readonly probe: IpAddress;
  readonly dns: IpAddress;
  readonly service: IpAddress;
  readonly prefixLength: number;
  readonly hostLength: number;
}

export const IPV4 = {
  gateway: '10.213.0.1',
  probe: '10.213.0.15',
  dns: '10.96.0.10',
  service: '10.96.0.1',
  prefixLength: 16,
  hostLength: 32,
} as Addresses;

export const IPV6 = {
  gateway: 'fd5a:1::1',
  probe: 'fd5a:1::f',
  dns: 'fd5a:2::a',
  service: 'fd5a:2::1',
  prefixLength: 64,
  hostLength: 128,
} as Addresses;

const LISTEN_PORT = 51840;
const PROGRAMS = join(import.meta.dirname, '../usermode/netns');

/** Waits until whoever holds its input ends, as by Ctrl-C, which no hook of a test follows; then takes away what that left. */
const GUARD = 'cat >/dev/null; ip netns pids "$1" | xargs -r kill -KILL; ip netns delete "$1"; rm -rf "$2" "$3"';

/** The wireguard-go command: WIREGUARD_GO, else the one on PATH, else the lab's, which is built if need be. */
export async function wireguardGo(): Promise<string> {
  const { WIREGUARD_GO, PATH = '' } = process.env;
  if (WIREGUARD_GO !== undefined) return WIREGUARD_GO;
  const installed = PATH.split(delimiter)
    .map((folder) => join(folder, 'wireguard-go'))
    .find((file) => existsSync(file));
  if (installed !== undefined) return installed;
  return (await labTools(TOOL_MODULES.filter(({ folder }) => folder === 'wireguard-go'))).path('wireguard-go');
}

/** A network namespace with a WireGuard gateway, a DNS server and a TCP listener; dispose leaves nothing behind. */
export class Gateway {
  readonly name = `sp-um-${randomBytes(3).toString('hex')}`;
  readonly device = `wgum${randomBytes(3).toString('hex')}`;
  readonly addresses: Addresses;
  readonly probeKeys: KeyPair = keyPairFrom(randomBytes(32));
  readonly #wireguardGo: string | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sallyport-usermode-'));
  readonly #children: ChildProcess[] = [];
  #probers: readonly ChildProcess[] = [];
  readonly #guard: ChildProcess;
  readonly enter = ['ip', 'netns', 'exec', this.name];
  #daemon: ChildProcess | undefined;
  #hasLink = false;

  private constructor(wireguardGo: string | undefined, addresses: Addresses) {
    this.#wireguardGo = wireguardGo;
    this.addresses = addresses;
    const words = ['-c', GUARD, 'guard', this.name, this.#folder, `/run/wireguard/${this.device}.sock`];
    this.#guard = spawn('sh', words, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  }

  /** Without a wireguard-go command the kernel's own WireGuard is the gateway. */
  static async create(wireguardGo: string | undefined, addresses: Addresses): Promise<Gateway> {
    const gateway = new Gateway(wireguardGo, addresses);
    try {
      gateway.#makeNamespace();
      namespacesHere.add(gateway);
      await gateway.#startServices();
      return gateway;
    } catch (error) {
      await gateway.dispose();
      throw error;
    }
  }

  /** Starts the gateway with a key of its own and the probe as its peer; answers the gateway's key. */
  async start(keys: KeyPair = keyPairFrom(randomBytes(32))): Promise<KeyPair> {
    await this.#makeInterface();
    this.run('wg', 'set', this.device, 'listen-port', `${LISTEN_PORT}`, 'private-key', this.#file(keys.privateKey));
    this.addProbe();
    const { gateway, prefixLength } = this.addresses;
    this.run('ip', 'address', 'add', `${gateway}/${prefixLength}`, 'dev', this.device);
    this.run('ip', 'link', 'set', this.device, 'up');
    return keys;
  }

  /** Stops the gateway as a crash would: without a word to its peers. */
  async stop(): Promise<void> {
    const daemon = this.#daemon;
    if (this.#wireguardGo === undefined && this.#hasLink) this.run('ip', 'link', 'delete', this.device);
    this.#hasLink = false;
    if (daemon === undefined) return;
    this.#daemon = undefined;
    await ended(daemon, 'SIGTERM');
  }

  addProbe(...settings: readonly string[]): void {
    const { probe, hostLength } = this.addresses;
    const peer = ['peer', this.probeKeys.publicKey, 'allowed-ips', `${probe}/${hostLength}`];
    this.run('wg', 'set', this.device, ...peer, ...settings);
  }

  removeProbe(): void {
    this.run('wg', 'set', this.device, 'peer', this.probeKeys.publicKey, 'remove');
  }

  /** Makes both sides' preshared key: the gateway is told, the caller gets the text. */
  presharedKey(): string {
    const text = keyText(randomBytes(32));
    this.addProbe('preshared-key', this.#file(text));
    return text;
  }

  /** Replaces the namespace's whole firewall by these rules of its input chain; none: everything passes. */
  firewall(...rules: readonly string[]): void {
    const chain = `chain input { type filter hook input priority 0;\n${rules.join('\n')}\n}`;
    const file = this.#file(`flush ruleset\ntable inet test {\n${chain}\n}\n`);
    this.run('nft', '-f', file);
  }

  /** Runs a command in the namespace to its end and answers what it printed. */
  run(...command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, ...command], { encoding: 'utf8' });
  }

  /** A prober in the namespace; it lives until all are ended, as does its session unless it is to forget it. */
  prober(timeouts: ProbeTimeouts, session: 'keep' | 'forget' = 'keep'): (target: ProbeTarget) => Promise<ProbeResult> {
    const options = { privateKey: this.probeKeys.privateKey, source: this.addresses.probe, timeouts };
    const child = this.#spawn([process.execPath, join(PROGRAMS, 'prober.ts'), JSON.stringify(options), session]);
    this.#probers = [...this.#probers, child];
    const lines = linesOf(child);
    return async (target) => {
      child.stdin?.write(`${JSON.stringify(target)}\n`);
      return JSON.parse(await nextLine(lines)) as ProbeResult;
    };
  }

  /**
   * Ends all probers. They have one key: what one says seconds after its last answer, as a peer should (a keepalive, another handshake), would have the
   * gateway answer it in place of the next one.
   */
  async endProbers(): Promise<void> {
    const probers = this.#probers;
    this.#probers = [];
    await Promise.all(probers.map((child) => ended(child, 'SIGKILL')));
  }

  /** The agent's own probing of this gateway, through a port that leads to it; each `next` is what is told after another probe. */
  probing(keys: KeyPair, port: number): { next(): Promise<ProbeVerdict> } {
    const { probe, prefixLength, dns, service } = this.addresses;
    const topology = {
      gateway: { spec: { advertise: { services: { enabled: true } } } },
      publicKey: keys.publicKey,
      listenPort: port,
      pool: [`${probe.replace(/\.\d+\.\d+$/, '.0.0')}/${prefixLength}`],
      dnsServers: [dns],
      domain: 'cluster.local',
    };
    const given = { keys: this.probeKeys, service: { address: service, port: 443 }, topology };
    const lines = linesOf(this.#spawn([process.execPath, join(PROGRAMS, 'probing.ts'), JSON.stringify(given)]));
    const waiting = on(lines, 'line');
    return {
      next: async () => JSON.parse(((await waiting.next()).value as [string])[0]) as ProbeVerdict,
    };
  }

  async dispose(): Promise<void> {
    namespacesHere.delete(this);
    await this.stop();
    await Promise.all(this.#children.map((child) => ended(child, 'SIGKILL')));
    execFileSync('ip', ['netns', 'delete', this.name]);
    rmSync(`/run/wireguard/${this.device}.sock`, { force: true });
    rmSync(this.#folder, { recursive: true, force: true });
    this.#guard.kill('SIGKILL');
    this.#guard.stdin?.end();
  }

  async #makeInterface(): Promise<void> {
    this.#hasLink = true;
    if (this.#wireguardGo === undefined) {
      this.run('ip', 'link', 'add', this.device, 'type', 'wireguard');
      return;
    }
    const socket = `/run/wireguard/${this.device}.sock`;
    const appeared = appearance('/run/wireguard', socket);
    this.#daemon = this.#spawn([this.#wireguardGo, '-f', this.device]);
    await appeared;
    await listening(socket);
  }

  #makeNamespace(): void {
    execFileSync('ip', ['netns', 'add', this.name]);
    this.run('ip', 'link', 'set', 'lo', 'up');
    for (const address of [this.addresses.dns, this.addresses.service])
      this.run('ip', 'address', 'add', `${address}/${this.addresses.hostLength}`, 'dev', 'lo');
  }

  async #startServices(): Promise<void> {
    const { dns, service } = this.addresses;
    await nextLine(linesOf(this.#spawn([process.execPath, join(PROGRAMS, 'services.ts'), dns, service, '443'])));
  }

  #spawn(command: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin?.on('error', () => {});
    this.#children.push(child);
    return child;
  }

  /** A file only root reads; wg cannot read keys from a socket, which is what a child's input is. */
  #file(text: string): string {
    const file = join(this.#folder, randomBytes(6).toString('hex'));
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }
}

/** Waits for a file to appear in a folder, without polling. */
async function appearance(folder: string, file: string): Promise<void> {
  execFileSync('mkdir', ['-p', folder]);
  const watcher = watch(folder);
  try {
    while (!existsSync(file)) await once(watcher, 'change', { signal: AbortSignal.timeout(10_000) });
  } finally {
    watcher.close();
  }
}

/** Waits until somebody listens on a socket that is there: `wg` removes one that refuses it, and wireguard-go binds a moment before it listens. */
async function listening(socket: string): Promise<void> {
  const until = performance.now() + 10_000;
  for (;;) {
    const connection = createConnection(socket);
    const error = await once(connection, 'connect').catch((refused: Error) => refused);
    connection.destroy();
    if (!(error instanceof Error)) return;
    if (performance.now() > until) throw error;
    await delay(5);
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

function linesOf(child: ChildProcess): Interface {
  if (child.stdout === null) throw new Error('the child has no output');
  return createInterface({ input: child.stdout });
}

async function nextLine(lines: Interface): Promise<string> {
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(30_000) })) as [string];
  return line;
}

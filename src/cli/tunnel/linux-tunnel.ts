import { existsSync } from 'node:fs';
import type { ObservedPeer } from '../../dataplane/wireguard/device.ts';
import type { Commands } from '../../host/exec.ts';
import { observeDevice, observeLinks, observeRoutes } from '../../host/observe.ts';
import { addAddress, addRoute, removeAddress, removeRoute } from '../../host/routes.ts';
import { WireGuard } from '../../host/wireguard.ts';
import { type ObservedTunnel, type TunnelStep, tunnelSteps } from '../../laptop/steps.ts';
import type { Tunnel, TunnelPeer } from '../../laptop/tunnel.ts';
import type { PublicKey } from '../../net/key.ts';
import { ownCommands } from '../own-commands.ts';

export interface LinuxTunnelOptions {
  readonly privateKeyFile: string;
  /** For files that root alone may read. */
  readonly runDir: string;
  readonly commands?: Commands | undefined;
}

const WIREGUARD_GO = 'wireguard-go';

import { missingProgram } from './missing-program.ts';

/** What an interface tells of itself at a moment. */
export interface TunnelLook {
  /** Of the private key that it has. */
  readonly publicKey?: PublicKey | undefined;
  readonly peers: ReadonlyMap<PublicKey, ObservedPeer>;
}

/** What is told of an interface that is not there. */
export const NO_LOOK: TunnelLook = { peers: new Map() };

/** The tunnel's interface on this Linux machine, by the kernel's WireGuard or, where there is none, wireguard-go as our child. */
export class LinuxTunnel {
  readonly #commands: Commands;
  readonly #wireguard: WireGuard;

  constructor({ privateKeyFile, runDir, commands = ownCommands() }: LinuxTunnelOptions) {
    this.#commands = commands;
    this.#wireguard = new WireGuard(commands, { privateKeyFile, runDir, wireguardGo: WIREGUARD_GO });
  }

  /** Brings the machine to the tunnel by the smallest change. Returns what was done. @throws {UserError} naming a program that is missing */
  async sync(tunnel: Tunnel): Promise<readonly TunnelStep[]> {
    try {
      const steps = tunnelSteps(tunnel, await this.#observe(tunnel.device));
      for (const step of steps) await this.#perform(tunnel, step);
      return steps;
    } catch (error) {
      throw missingProgram(error);
    }
  }

  /** Its key and its gateways with their endpoints, handshakes and counters; nothing of these when there is no interface. */
  async look(device: string): Promise<TunnelLook> {
    return (await this.#wireguard.dump(device)) ?? NO_LOOK;
  }

  /** Takes the interface away, and with it its addresses and routes. */
  async remove(device: string): Promise<void> {
    await this.#wireguard.remove(device);
  }

  /** Tells when wireguard-go ended by itself. */
  onEnd(listener: (what: string) => void, signal: AbortSignal): void {
    this.#wireguard.onEnd(listener, signal);
  }

  /** Ends wireguard-go, where it runs as our child. */
  close(): Promise<void> {
    return this.#wireguard.close();
  }

  async #observe(device: string): Promise<ObservedTunnel | undefined> {
    const eyes = { commands: this.#commands, wireguard: this.#wireguard };
    const link = (await observeLinks(eyes)).find(({ name }) => name === device);
    if (link === undefined) return undefined;
    const [found, routes] = await Promise.all([
      observeDevice(eyes, link),
      observeRoutes(eyes, [device], existsSync('/proc/net/if_inet6')),
    ]);
    const { stopped = false, up, mtu, addresses, publicKey, peers } = found;
    return { stopped, up, mtu, addresses, publicKey, peers, routes: routes.map(({ destination }) => destination) };
  }

  async #perform({ device, publicKey, presharedKeyFile }: Tunnel, step: TunnelStep): Promise<void> {
    switch (step.kind) {
      case 'create':
        return this.#wireguard.create(device, 'Auto');
      case 'start':
        return this.#wireguard.start(device);
      case 'load-key':
        return this.#wireguard.set(device, publicKey, undefined);
      case 'add-address':
        return addAddress(this.#commands, device, step.address);
      case 'remove-address':
        return removeAddress(this.#commands, device, step.address);
      case 'set-link':
        return this.#run(['ip', 'link', 'set', 'dev', device, 'mtu', String(step.mtu), 'up']);
      case 'add-peer':
        return this.#setPeer(device, step.peer, { presharedKeyFile, withEndpoint: true });
      case 'change-peer':
        return this.#setPeer(device, step.peer, { presharedKeyFile, withEndpoint: false });
      case 'remove-peer':
        return this.#run(['wg', 'set', device, 'peer', step.publicKey, 'remove']);
      case 'replace-peer':
        return this.#replacePeer(device, step, presharedKeyFile);
      case 'add-route':
        return addRoute(this.#commands, { destination: step.destination, device });
      case 'remove-route':
        return removeRoute(this.#commands, { destination: step.destination, device });
    }
  }

  async #setPeer(
    device: string,
    peer: TunnelPeer,
    {
      presharedKeyFile,
      withEndpoint,
    }: { readonly presharedKeyFile: string | undefined; readonly withEndpoint: boolean },
  ): Promise<void> {
    const words = peerWords(peer, presharedKeyFile, withEndpoint);
    await this.#commands.run(['wg', 'set', device, ...words], { secret: presharedKeyFile !== undefined });
  }

  /** The one that comes takes the prefixes from the one that goes. */
  async #replacePeer(
    device: string,
    { peer, publicKey }: TunnelStep & { readonly kind: 'replace-peer' },
    presharedKeyFile: string | undefined,
  ): Promise<void> {
    const words = [...peerWords(peer, presharedKeyFile, true), 'peer', publicKey, 'remove'];
    await this.#commands.run(['wg', 'set', device, ...words], { secret: presharedKeyFile !== undefined });
  }

  async #run(argv: readonly string[]): Promise<void> {
    await this.#commands.run(argv);
  }
}

function peerWords(
  { publicKey, endpoint, allowedIPs, persistentKeepalive }: TunnelPeer,
  presharedKeyFile: string | undefined,
  withEndpoint: boolean,
): readonly string[] {
  return [
    ...['peer', publicKey],
    ...(presharedKeyFile === undefined ? [] : ['preshared-key', presharedKeyFile]),
    ...(withEndpoint && endpoint !== undefined ? ['endpoint', endpoint] : []),
    ...['persistent-keepalive', String(persistentKeepalive)],
    ...['allowed-ips', allowedIPs.join(',')],
  ];
}

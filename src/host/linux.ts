import { join } from 'node:path';
import type { ProxyMode } from '../dataplane/local-facts.ts';
import type { Operation } from '../dataplane/operation.ts';
import type { Family } from '../net/address.ts';
import { cidrFamily } from '../net/cidr.ts';
import { keyFileName, type PublicKey } from '../net/key.ts';
import { endFlows, forgetCalls, forgetFlows, openFlows, trackedBySource } from './conntrack.ts';
import { doubtsProxyMode, watchKernel } from './drift.ts';
import { type Commands, createCommands } from './exec.ts';
import { readForeignRules } from './foreign-rules.ts';
import type { Host, Observation } from './host.ts';
import { mountedPublicKey } from './keys.ts';
import { Memory } from './memory.ts';
import { createNftables } from './nftables.ts';
import { type Eyes, observeLinks, observeState, observeUnderlayMtu } from './observe.ts';
import { watchPeers } from './peer-drift.ts';
import { withoutPort } from './port-busy.ts';
import { PresharedKeyFolder } from './preshared-keys.ts';
import { type AskProxyMode, askKubeProxy, detectProxyMode } from './proxy-mode.ts';
import { addAddress, changeRoute, changeRoutes, removeAddress } from './routes.ts';
import { createSysctls, ownFiles, type SmallFiles } from './sysctls.ts';
import { watchFolder } from './watch-folder.ts';
import { WireGuard } from './wireguard.ts';

export interface LinuxHostOptions {
  /** The node's name, for the local facts. */
  readonly node: string;
  /** Where the gateway's private keys are mounted, each in the file that `keyFileName` names. */
  readonly privateKeysFolder: string;
  /** Where the preshared keys of peers are mounted; without it there are none. */
  readonly presharedKeysFolder?: string | undefined;
  /** Where the node's /proc/sys/net is writable. */
  readonly procSys: string;
  /** The wireguard-go program. */
  readonly wireguardGo: string;
  /** For files that only we may read; best on a tmpfs. */
  readonly runDir: string;
  readonly commands?: Commands | undefined;
  readonly files?: SmallFiles | undefined;
  readonly askProxyMode?: AskProxyMode | undefined;
  /** How often peers are looked at for drift; 3 s unless given. */
  readonly peersEveryMs?: number | undefined;
}

/** A Host with processes of its own. */
export interface LinuxHost extends Host {
  /** Ends wireguard-go, where it runs. Everything in the kernel stays. */
  close(): Promise<void>;
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** kube-proxy's mode changes with its restart at most, and asking costs an HTTP request or a listing of chains. */
const PROXY_MODE_MS = 60_000;
/** On a node that has just come up, kube-proxy may follow soon. */
const NO_PROXY_MS = 5000;

/** The node that this process runs on (or that `commands` and `files` lead to). */
export function createLinuxHost(options: LinuxHostOptions): LinuxHost {
  const { runDir, commands = createCommands() } = options;
  const files = options.files ?? ownFiles;
  const presharedKeys = new PresharedKeyFolder(options.presharedKeysFolder);
  const privateKeyFile = (publicKey: PublicKey) => join(options.privateKeysFolder, keyFileName(publicKey));
  const wireguard = new WireGuard(commands, { ...options, privateKeyFile, presharedKeys });
  const nftables = createNftables(commands, runDir);
  const eyes: Hands = { commands, runDir, wireguard, nftables, sysctls: createSysctls(options.procSys, files) };
  const turnedOn = new Set<Family>();
  const proxyMode = new Memory((mode: ProxyMode) => (mode === 'unknown' ? NO_PROXY_MS : PROXY_MODE_MS));

  return {
    async observe(names): Promise<Observation> {
      const links = await observeLinks(eyes);
      const state = await observeState(eyes, names, links, turnedOn);
      const ipv6 = state.sysctls.forwarding6 !== undefined && !(await eyes.sysctls.isIpv6Off(names.device));
      const [mtu, mode, bootId] = await Promise.all([
        observeUnderlayMtu(
          eyes,
          links.filter(({ name }) => name !== names.device && name !== names.other),
          state.sysctls.forwarding6 !== undefined,
        ),
        proxyMode.recall(() => detectProxyMode(options.askProxyMode ?? askKubeProxy, links, commands)),
        files.read(BOOT_ID),
      ]);
      const facts = { node: options.node, underlayMtu: mtu, proxyMode: mode, ipv6, bootId: bootId?.trim() };
      return { facts, state };
    },
    observePeers: async (device) => (await wireguard.dump(device))?.peers ?? new Map(),
    observeForeignRules: (names) => readForeignRules(commands, files, names.table),
    observeTracking: () => eyes.sysctls.tracking(),
    trackedBySource: (sources) => trackedBySource(commands, sources),
    presharedKeys: () => presharedKeys.read(),
    watchPresharedKeys: (signal, onChange) => presharedKeys.watch(signal, onChange),
    async hasPrivateKey(publicKey) {
      const mounted = await mountedPublicKey(privateKeyFile(publicKey));
      return mounted.ok && mounted.value === publicKey;
    },
    watchPrivateKeys: (signal, onChange) => watchFolder(options.privateKeysFolder, signal, onChange),
    takeElements: (table, sets) => nftables.take(table, sets),
    countedBy: (table, chain) => nftables.counted(table, chain),
    takeCounted: (table, sets) => nftables.takeCounted(table, sets),
    takeHalf: (table, sets) => nftables.takeHalf(table, sets),
    observeFlows: (sources) => openFlows(commands, sources),
    apply: (operation) => perform(eyes, turnedOn, operation),
    watchDrift(names, signal, onDrift, onTold) {
      watchKernel(commands, { names, isOwn: nftables.isOwn, onTold }, signal, (what, by) => {
        if (doubtsProxyMode(what)) proxyMode.forget();
        onDrift(what, by);
      });
      wireguard.onEnd(onDrift, signal);
      for (const device of [names.device, names.other])
        void watchPeers(whereThere(eyes), device, options.peersEveryMs ?? 3000, signal, onDrift);
    },
    close: () => wireguard.close(),
  };
}

/** Everything that changing a node needs. */
interface Hands extends Eyes {
  readonly runDir: string;
}

async function perform(eyes: Hands, turnedOn: Set<Family>, step: Operation): Promise<void> {
  const { commands, wireguard, nftables, sysctls } = eyes;
  switch (step.kind) {
    case 'replace-table':
      return nftables.replace(step.ruleset, step.turnedOn);
    case 'change-elements':
      return nftables.change(step.table, step.changes);
    case 'create-link':
      return wireguard.create(step.device, step.dataplane);
    case 'start-link':
      return wireguard.start(step.device);
    case 'set-device':
      return wireguard.set(step.device, step.publicKey, step.listenPort);
    case 'add-address':
      // Planned only where the node's IPv6 is on, if not for new interfaces: the second one comes later than the first.
      if (cidrFamily(step.address) === 6 && (await sysctls.isIpv6Off(step.device)))
        await sysctls.allowIpv6(step.device);
      return addAddress(commands, step.device, step.address);
    case 'remove-address':
      return removeAddress(commands, step.device, step.address);
    case 'set-rp-filter':
      return sysctls.setRpFilter(step.device, step.value);
    case 'set-link':
      return setLink(eyes, step);
    case 'turn-on-forwarding':
      return turnOnForwarding(eyes, turnedOn, step.family, step.table);
    case 'set-peers':
      return wireguard.setPeers(step.device, step.changes);
    case 'forget-flows':
      return forgetFlows(commands, step.sources);
    case 'forget-calls':
      return forgetCalls(commands, step.endpoints, step.ports);
    case 'end-flows':
      return endFlows(commands, step.flows, step.kept);
    case 'add-route':
    case 'move-route':
    case 'remove-route':
      return changeRoute(commands, step);
    case 'change-routes':
      return changeRoutes(commands, eyes.runDir, step.changes);
    case 'delete-link':
      return wireguard.remove(step.device);
    case 'restore-forwarding':
      await sysctls.setForwarding(step.family, false);
      await nftables.forgetTurnedOn(step.table, step.family);
      turnedOn.delete(step.family);
      return;
    case 'delete-table':
      return nftables.remove(step.table);
  }
}

/** Asks `wg` of interfaces that are there alone: one of the two mostly is not. */
function whereThere({ wireguard, sysctls }: Eyes): Parameters<typeof watchPeers>[0] {
  return {
    dump: async (device) => ((await sysctls.rpFilter(device)) === undefined ? undefined : wireguard.dump(device)),
    onTouch: (listener, signal) => wireguard.onTouch(listener, signal),
  };
}

/** Only an interface that is up has its port. @throws {PortBusy} */
async function setLink(
  { commands, wireguard }: Eyes,
  { device, mtu, up }: Operation & { readonly kind: 'set-link' },
): Promise<void> {
  const words = [...(mtu === undefined ? [] : ['mtu', String(mtu)]), ...(up === true ? ['up'] : [])];
  try {
    await commands.run(['ip', 'link', 'set', 'dev', device, ...words]);
  } catch (error) {
    throw await withoutPort(commands, device, (await wireguard.dump(device))?.listenPort ?? 0, error);
  }
}

/** Recorded in the table before it is done: a switch that nobody remembers would never be turned back. */
async function turnOnForwarding(eyes: Eyes, turnedOn: Set<Family>, family: Family, table: string): Promise<void> {
  if ((await eyes.sysctls.forwarding(family)) !== false) return;
  await eyes.nftables.recordTurnedOn(table, family);
  turnedOn.add(family);
  await eyes.sysctls.setForwarding(family, true);
}

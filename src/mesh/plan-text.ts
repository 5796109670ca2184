import { renderRuleset } from '../dataplane/nftables/render.ts';
import type { NodePlan } from '../dataplane/node-plan.ts';
import type { WantedDevice } from '../dataplane/wireguard/device.ts';

/** A plan in the three languages of its node, for people and for golden files. */
export interface PlanText {
  readonly wg: string;
  readonly nft: string;
  readonly routes: string;
}

/** What a plan says, line by line; it holds no secret, because a plan names the private key by its public half only. */
export function planText({ device, ruleset, routes }: NodePlan): PlanText {
  return {
    wg: deviceLines(device).map(line).join(''),
    nft: renderRuleset(ruleset),
    routes: routes.map(({ destination, device: name }) => line(`${destination} dev ${name}`)).join(''),
  };
}

function deviceLines(device: WantedDevice): readonly string[] {
  const peers = [...device.peers.values()].sort((one, other) => (one.publicKey < other.publicKey ? -1 : 1));
  return [
    `interface ${device.name}`,
    `  dataplane ${device.dataplane}`,
    `  public-key ${device.publicKey}`,
    `  listen-port ${device.listenPort}`,
    `  mtu ${device.mtu}`,
    ...device.addresses.map((address) => `  address ${address}`),
    ...peers.map(
      ({ publicKey, allowedIPs, presharedKey }) =>
        `peer ${publicKey}${presharedKey === undefined ? '' : ' with preshared key'} allowed-ips ${allowedIPs.join(',') || '(none)'}`,
    ),
  ];
}

function line(text: string): string {
  return `${text}\n`;
}

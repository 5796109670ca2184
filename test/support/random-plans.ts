import fc from 'fast-check';
import type { NodeState } from '../../src/dataplane/node-plan.ts';
import type { ObservedDevice } from '../../src/dataplane/wireguard/device.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { allGranted } from './grants.ts';
import { aPublicKey, type NodePlanWishes } from './node-plans.ts';

/** The peers that random plans have some of. */
export const RANDOM_PEERS: readonly PublicKey[] = Array.from({ length: 6 }, (_, index) => aPublicKey(index + 1));

const GRANTS = [
  '10.213.0.16 tcp 10.96.0.20 80',
  '10.213.0.17 udp 10.96.0.20 53',
  'fd5a:213::16 tcp fd5a:96::20 80',
  '10.213.0.16 10.50.0.0/16',
  '10.213.0.16 10.50.1.0/24',
  '10.213.0.16 10.50.1.0/24 tcp 443',
  '10.213.0.17 10.50.0.9/32 udp 53',
  'fd5a:213::16 fd5a:50::/64 tcp 443',
];
const SERVICE_CIDRS = ['10.43.0.0/16', '10.96.0.0/12', 'fd5a:96::/112', '192.0.2.1/32'];

/** Which of eight addresses belongs to whom; an address belongs to one peer at most. */
const peers = fc.array(fc.option(fc.nat(RANDOM_PEERS.length - 1)), { minLength: 8, maxLength: 8 }).map((owners) => {
  const found: Record<string, string[]> = {};
  for (const [index, owner] of owners.entries()) {
    const key = owner === null ? undefined : RANDOM_PEERS[owner];
    if (key !== undefined) found[key] = [...(found[key] ?? []), `10.213.0.${16 + index}/32`];
  }
  return found;
});

/** What a test chooses of random plans. */
export interface PlanChoices {
  /** The gateway's; the usual one unless given. */
  readonly publicKeys?: readonly PublicKey[];
  readonly dataplanes: readonly NonNullable<NodePlanWishes['dataplane']>[];
  /** Of the other interface, where there is to be one now and then. */
  readonly others?: readonly PublicKey[];
}

/** Random wishes that differ in everything a plan says. */
export function randomWishes({
  publicKeys = [aPublicKey(99)],
  dataplanes,
  others = [],
}: PlanChoices): fc.Arbitrary<NodePlanWishes> {
  return fc.record({
    peers,
    pair: fc.constantFrom(undefined, [aPublicKey(1), aPublicKey(2)] as const),
    addresses: fc.constantFrom(['10.213.0.1/32'], ['10.213.0.1/32', 'fd5a:213::1/128'], ['10.213.0.2/32']),
    listenPort: fc.constantFrom(51840, 51841),
    mtu: fc.constantFrom(1380, 1420),
    publicKey: fc.constantFrom(...publicKeys),
    dataplane: fc.constantFrom(...dataplanes),
    routes: fc.subarray(['10.213.0.0/16', 'fd5a:213::/64', '10.99.0.0/24']),
    serviceCidrs: fc.subarray(SERVICE_CIDRS),
    routedCidrs: fc.subarray(['10.1.0.0/24', '10.2.0.0/24']),
    accessDefault: fc.constantFrom('Allow', 'Deny'),
    granted: fc.subarray(GRANTS).map((texts) => allGranted(...texts)),
    peerToPeer: fc.constantFrom('Allow', 'Deny'),
    proxyMode: fc.constantFrom('nftables', 'ipvs'),
    ...(others.length === 0
      ? {}
      : {
          other: fc.option(
            fc.record({
              publicKey: fc.constantFrom(...others),
              listenPort: fc.constant(51842),
              moved: fc.subarray(['10.213.0.16/32', '10.213.0.17/32', 'fd5a:213::16/128']),
            }),
            { nil: undefined },
          ),
        }),
  }) as fc.Arbitrary<NodePlanWishes>;
}

/** What a plan says of a state; whatever it says nothing about, such as counters and the interface's number, is left out. */
export function essence({ device, other, ruleset, routes }: NodeState) {
  const shown = (one: ObservedDevice) => ({
    ...one,
    dataplane: undefined,
    ifindex: undefined,
    peers: Object.fromEntries([...one.peers].map(([key, peer]) => [key, [...peer.allowedIPs].sort()] as const)),
  });
  return {
    device: device && shown(device),
    ...(other === undefined ? {} : { other: shown(other.device), otherRpFilter: other.rpFilter }),
    table: ruleset && {
      ...ruleset,
      elements: Object.fromEntries([...ruleset.elements].map(([set, all]) => [set, [...all].sort()])),
    },
    routes: routes.map(({ destination, device: name }) => `${destination} ${name}`).sort(),
  };
}

import { expect, test } from 'vitest';
import type { Flow } from '../../src/dataplane/nftables/ruleset.ts';
import { describeOperation, type Operation } from '../../src/dataplane/operation.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aNodePlan, aPublicKey } from '../support/node-plans.ts';

const key = aPublicKey(1);
const device = 'wg-default';
const table = 'sallyport_default';
const address = '10.213.0.1/32' as Cidr;
const route = { destination: '10.213.0.0/16' as Cidr, device };
const change = {
  kind: 'change',
  publicKey: key,
  allowedIPs: [],
  added: [],
  removed: [],
  presharedKey: { file: 'version-1', fingerprint: 'fingerprint-1' },
} as const;

const ENDS = 'end connections that are no longer granted:';
const flow: Flow = {
  source: '10.213.0.1' as IpAddress,
  destination: '10.96.0.20/32' as Cidr,
  open: { protocol: 'tcp', port: 80 },
};
const LINES: readonly (readonly [Operation, string])[] = [
  [{ kind: 'replace-table', ruleset: aNodePlan().ruleset, turnedOn: [] }, 'write nftables table sallyport_default'],
  [
    { kind: 'change-elements', table, changes: [{ set: 'services4', added: [], removed: [] }] },
    'change elements of services4 in table sallyport_default',
  ],
  [{ kind: 'create-link', device, dataplane: 'Auto' }, 'create interface wg-default'],
  [{ kind: 'start-link', device }, 'start wireguard-go on interface wg-default'],
  [
    { kind: 'set-device', device, publicKey: key, listenPort: 1 },
    'set the private key and listen port 1 of wg-default',
  ],
  [{ kind: 'add-address', device, address }, 'add address 10.213.0.1/32 to wg-default'],
  [{ kind: 'remove-address', device, address }, 'remove address 10.213.0.1/32 from wg-default'],
  [{ kind: 'set-rp-filter', device, value: 2 }, 'set rp_filter of wg-default to 2'],
  [{ kind: 'set-link', device, mtu: 1420, up: true }, 'set wg-default mtu 1420 up'],
  [{ kind: 'turn-on-forwarding', family: 6, table }, 'turn on IPv6 forwarding'],
  [
    { kind: 'set-peers', device, changes: [{ kind: 'remove', publicKey: key }, change, change] },
    'change 2 peers, remove 1 peer on wg-default',
  ],
  [{ kind: 'forget-flows', sources: [address] }, 'forget connections from 10.213.0.1/32'],
  [{ kind: 'forget-flows', sources: [address, address] }, 'forget connections from 2 prefixes'],
  [
    { kind: 'forget-calls', endpoints: ['192.0.2.1:40000' as Endpoint], ports: [51840] },
    'forget what was sent to 192.0.2.1:40000',
  ],
  [
    { kind: 'forget-calls', endpoints: ['192.0.2.1:40000', '192.0.2.1:40001'] as Endpoint[], ports: [51840] },
    'forget what was sent to 2 devices',
  ],
  [{ kind: 'end-flows', flows: [flow], kept: [] }, `${ENDS} 10.213.0.1 to 10.96.0.20/32 port 80/tcp`],
  [
    { kind: 'end-flows', flows: [{ ...flow, open: { protocol: 'icmp', port: undefined } }], kept: [] },
    `${ENDS} 10.213.0.1 to 10.96.0.20/32 by icmp`,
  ],
  [{ kind: 'end-flows', flows: [flow, flow], kept: [] }, `${ENDS} 10.213.0.1 to 10.96.0.20/32 port 80/tcp and 1 more`],
  [{ kind: 'add-route', route }, 'add route 10.213.0.0/16 dev wg-default'],
  [{ kind: 'remove-route', route }, 'remove route 10.213.0.0/16 dev wg-default'],
  [
    {
      kind: 'change-routes',
      changes: [
        { kind: 'move-route', route },
        { kind: 'remove-route', route },
        { kind: 'remove-route', route },
      ],
    },
    'move 1 route, remove 2 routes',
  ],
  [{ kind: 'delete-link', device }, 'delete interface wg-default'],
  [{ kind: 'restore-forwarding', family: 4, table }, 'turn off IPv4 forwarding, as it was before'],
  [{ kind: 'delete-table', table }, 'delete nftables table sallyport_default'],
];

test.each(LINES)('%o reads as a line without a key', (operation, line) => {
  expect(describeOperation(operation)).toBe(line);
  expect(describeOperation(operation)).not.toContain(key);
});

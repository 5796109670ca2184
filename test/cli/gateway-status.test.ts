import { expect, test } from 'vitest';
import { gatewayStatus } from '../../src/cli/supervisor/gateway-status.ts';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import { newPath } from '../../src/laptop/path/state.ts';
import { aClientGateway } from '../support/client-configurations.ts';

const gateway = aClientGateway();
const [endpoint] = gateway.endpoints;
if (endpoint === undefined) throw new Error('the gateway has no endpoint');
const { standing } = newPath({ endpoint, address: endpoint }, true, { now: 0, unixMs: 0 });
const peer = (latestHandshake: number): ObservedPeer => ({
  ...{ publicKey: gateway.publicKey, allowedIPs: gateway.allowedIPs },
  ...{ latestHandshake, receivedBytes: 0, sentBytes: 148 },
});

test('a gateway is not called online before it has shaken hands, nor without an interface', () => {
  expect(gatewayStatus(gateway, undefined, standing).path).toBe('offline');
  expect(gatewayStatus(gateway, peer(0), undefined).path).toBe('unproven');
  expect(gatewayStatus(gateway, peer(0), standing).path).toBe('unproven');
  expect(gatewayStatus(gateway, peer(1_700_000_000), standing).path).toBe('online');
});

test('one that is known to be gone is offline, however late its last handshake was', () => {
  expect(gatewayStatus(gateway, peer(1_700_000_000), { ...standing, condition: 'offline' }).path).toBe('offline');
});

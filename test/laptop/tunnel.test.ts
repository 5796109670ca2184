import { describe, expect, test } from 'vitest';
import { newsOf } from '../../src/laptop/news.ts';
import { overlapsOf } from '../../src/laptop/overlap.ts';
import { type ObservedTunnel, stepText, tunnelSteps } from '../../src/laptop/steps.ts';
import { type Tunnel, tunnelOf } from '../../src/laptop/tunnel.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { aClientConfiguration, aClientGateway } from '../support/client-configurations.ts';

const own = keyPairFrom(new Uint8Array(32).fill(9)).publicKey;
const other = keyPairFrom(new Uint8Array(32).fill(8)).publicKey;
const cidrs = (...texts: string[]) => texts as Cidr[];
const choices = { device: 'sp-prod', publicKey: own, privateKeyFile: '/k' };

describe('the tunnel of a configuration', () => {
  test('leads to what the gateways advertise, at the most preferred endpoint unless a better one is known', () => {
    const configuration = aClientConfiguration();
    const [gateway] = configuration.gateways;
    const tunnel = tunnelOf(configuration, choices);
    expect(tunnel.routes).toEqual(gateway?.allowedIPs);
    expect(tunnel.peers[0]?.endpoint).toBe(gateway?.endpoints[0]);
    const endpoint = '198.51.100.9:51840' as Endpoint;
    const endpoints = new Map([[gateway?.publicKey ?? own, endpoint]]);
    expect(tunnelOf(configuration, { ...choices, endpoints }).peers[0]?.endpoint).toBe(endpoint);
  });

  test('has the preshared key only where the gateways ask for it', () => {
    const given = { ...choices, presharedKeyFile: '/psk' };
    expect(tunnelOf(aClientConfiguration(), given).presharedKeyFile).toBeUndefined();
    expect(tunnelOf(aClientConfiguration({ hasPresharedKey: true }), given).presharedKeyFile).toBe('/psk');
  });
});

describe('the steps to a tunnel', () => {
  const wanted = tunnelOf(aClientConfiguration(), choices);
  const kinds = (tunnel: Tunnel, observed: ObservedTunnel | undefined) =>
    tunnelSteps(tunnel, observed).map(({ kind }) => kind);

  test('from nothing: the interface with its key and address, then its peers, then its routes', () => {
    expect(kinds(wanted, undefined)).toEqual([
      'create',
      'load-key',
      'add-address',
      'set-link',
      'add-peer',
      ...wanted.routes.map(() => 'add-route'),
    ]);
  });

  test('from the tunnel itself: none', () => {
    expect(kinds(wanted, there(wanted))).toEqual([]);
  });

  test('to another key: the key alone', () => {
    expect(kinds({ ...wanted, publicKey: other }, there(wanted))).toEqual(['load-key']);
  });

  test('to another range: the peer and the routes that differ, what comes first', () => {
    const [peer] = wanted.peers;
    const peers = peer === undefined ? [] : [{ ...peer, allowedIPs: cidrs('172.30.0.0/16') }];
    const steps = tunnelSteps({ ...wanted, peers, routes: cidrs('172.30.0.0/16') }, there(wanted));
    expect(steps.map(({ kind }) => kind)).toEqual([
      'change-peer',
      'add-route',
      ...wanted.routes.map(() => 'remove-route'),
    ]);
  });

  test('to another gateway key: one peer takes the place of the other in one step, so that its ranges are never nobody’s', () => {
    const peers = wanted.peers.map((peer) => ({ ...peer, publicKey: other }));
    expect(tunnelSteps({ ...wanted, peers }, there(wanted))).toEqual([
      { kind: 'replace-peer', publicKey: wanted.peers[0]?.publicKey, peer: peers[0] },
    ]);
  });

  test('to another gateway with other ranges: the one goes, and the other comes', () => {
    const peers = wanted.peers.map((peer) => ({ ...peer, publicKey: other, allowedIPs: cidrs('172.30.0.0/16') }));
    expect(kinds({ ...wanted, peers, routes: wanted.routes }, there(wanted))).toEqual(['remove-peer', 'add-peer']);
  });

  test('from an interface that outlived wireguard-go: it is served again, with key and peers', () => {
    const left = { ...there(wanted), stopped: true, peers: new Map() };
    expect(kinds(wanted, left)).toEqual(['start', 'load-key', 'set-link', 'add-peer']);
  });

  test('are told without a secret', () => {
    for (const step of tunnelSteps(wanted, undefined)) expect(stepText(step, wanted.device)).not.toContain('/k');
  });

  function there(tunnel: Tunnel): ObservedTunnel {
    const { mtu, addresses, publicKey, routes } = tunnel;
    const peers = new Map(tunnel.peers.map((peer) => [peer.publicKey, peer]));
    return { stopped: false, up: true, mtu, addresses, publicKey, peers, routes };
  }
});

describe('ranges that meet', () => {
  test('are named with whose they are', () => {
    const others = [{ name: 'prod', cidrs: cidrs('10.96.0.0/16', '172.16.0.0/12') }];
    expect(overlapsOf(cidrs('10.96.0.0/12', '10.213.0.1/32'), others)).toEqual([
      { mine: '10.96.0.0/12', theirs: '10.96.0.0/16', other: 'prod' },
    ]);
    expect(overlapsOf(cidrs('10.0.0.0/16'), others)).toEqual([]);
  });
});

describe('what a new configuration changes', () => {
  const before = aClientConfiguration();
  const [gateway] = before.gateways;

  test('nothing: no news', () => {
    expect(newsOf(before, aClientConfiguration())).toEqual([]);
  });

  test('is told by what it means', () => {
    const after = aClientConfiguration({
      gateways: [aClientGateway({ ...gateway, allowedIPs: cidrs('10.96.0.0/12'), publicKey: other })],
      dns: undefined,
    });
    expect(newsOf(before, after)).toEqual([
      'gateway default leads to 10.96.0.0/12 now',
      `gateway default has another key: ${other}`,
      'cluster names are asked of nothing now',
      'the domain of the cluster is none now',
    ]);
    expect(newsOf(before, aClientConfiguration({ gateways: [] }))).toEqual(['gateway default is gone']);
  });
});

import { describe, expect, test } from 'vitest';
import { UnreadableOutput } from '../../../src/dataplane/unreadable.ts';
import { parseDump } from '../../../src/dataplane/wireguard/parse.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { aPublicKey } from '../../support/node-plans.ts';

const SECRET = keyPairFrom(new Uint8Array(32).fill(42)).privateKey;
const PSK = keyPairFrom(new Uint8Array(32).fill(43)).privateKey;
const OWN = aPublicKey(1);
const PEER = aPublicKey(2);
const OTHER = aPublicKey(3);

const deviceLine = `${SECRET}\t${OWN}\t51840\toff`;
const line = (...fields: readonly (string | number)[]) => fields.join('\t');

const fingerprint = (key: string) => `fingerprint of ${key.length} characters`;

describe('wg show dump', () => {
  test('tells the device and its peers', () => {
    const text = [
      deviceLine,
      line(PEER, '(none)', '192.0.2.7:51820', '10.213.0.17/32,10.213.0.16/32,fd00::1/128', 1763000000, 12, 34, 25),
      line(OTHER, PSK, '[2001:db8::1]:4000', '(none)', 0, 0, 0, 'off'),
      '',
    ].join('\n');
    const device = parseDump(text, fingerprint);
    expect(device.publicKey).toBe(OWN);
    expect(device.listenPort).toBe(51840);
    expect(device.peers.get(PEER)).toEqual({
      publicKey: PEER,
      allowedIPs: ['10.213.0.16/32', '10.213.0.17/32', 'fd00::1/128'],
      endpoint: '192.0.2.7:51820',
      latestHandshake: 1763000000,
      receivedBytes: 12,
      sentBytes: 34,
    });
    expect(device.peers.get(OTHER)).toMatchObject({
      allowedIPs: [],
      endpoint: '[2001:db8::1]:4000',
      presharedKey: 'fingerprint of 44 characters',
    });
  });

  test('keeps no secret', () => {
    const text = `${deviceLine}\n${line(PEER, PSK, '(none)', '(none)', 0, 0, 0, 'off')}\n`;
    const { peers, ...rest } = parseDump(text, fingerprint);
    const kept = JSON.stringify([rest, [...peers]]);
    expect(kept).not.toContain(SECRET);
    expect(kept).not.toContain(PSK);
  });

  test('tells a device without a key', () => {
    expect(parseDump('(none)\t(none)\t0\toff\n', fingerprint)).toEqual({ listenPort: 0, peers: new Map() });
  });

  test('leaves out an endpoint that only this node can dial', () => {
    const text = `${deviceLine}\n${line(PEER, '(none)', '[fe80::1%eth0]:51820', '(none)', 0, 0, 0, 'off')}\n`;
    expect(parseDump(text, fingerprint).peers.get(PEER)).not.toHaveProperty('endpoint');
  });

  test.each([
    ['nothing', ''],
    ['a device line that is too short', `${SECRET}\t${OWN}\n`],
    ['a device line that is too long', `${SECRET}\t${OWN}\t1\toff\tmore\n`],
    ['a port that is no number', `${SECRET}\t${OWN}\tport\toff\n`],
    ['a key that is none', `${SECRET}\tkey\t1\toff\n`],
    ['a peer line that is too short', `${deviceLine}\n${PEER}\t(none)\n`],
    ['a peer without a key', `${deviceLine}\n${line('key', '(none)', '(none)', '(none)', 0, 0, 0, 'off')}\n`],
    ['an AllowedIP that is none', `${deviceLine}\n${line(PEER, '(none)', '(none)', '10.0.0.1', 0, 0, 0, 'off')}\n`],
    ['a counter that is none', `${deviceLine}\n${line(PEER, '(none)', '(none)', '(none)', 0, 'x', 0, 'off')}\n`],
    ['secrets only', `${SECRET}${SECRET}\n`],
  ])('is refused when it holds %s, without a secret in the error', (_what, text) => {
    const refusal = caught(() => parseDump(text, fingerprint));
    expect(refusal).toBeInstanceOf(UnreadableOutput);
    expect(String(refusal)).not.toContain(SECRET);
  });
});

function caught(attempt: () => unknown): unknown {
  try {
    return attempt();
  } catch (error) {
    return error;
  }
}

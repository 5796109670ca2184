import { describe, expect, test } from 'vitest';
import { fullConfiguration } from '../../src/laptop/full/full-configuration.ts';
import { splitNames } from '../../src/laptop/names/split-names.ts';
import { macosDown, macosUp } from '../../src/laptop/platform/macos.ts';
import { type PlatformStep, withoutDns } from '../../src/laptop/platform/plan.ts';
import { windowsDown, windowsUp } from '../../src/laptop/platform/windows.ts';
import { keyedWgQuick, networkManager, qrCode } from '../../src/laptop/renderings.ts';
import { EVERYTHING } from '../../src/mesh/client-configuration.ts';
import { parseWgQuick } from '../../src/mesh/wg-quick.ts';
import { type KeyPair, keyPairFrom } from '../../src/net/key-pair.ts';
import { aClientConfiguration, aClientGateway } from '../support/client-configurations.ts';

const { privateKey }: KeyPair = keyPairFrom(new Uint8Array(32).fill(3));
const configuration = aClientConfiguration();
const text = withoutDns(keyedWgQuick(configuration, { privateKey }));
const tunnel = { profile: 'prod', device: 'sp-prod', text };
const split = splitNames(configuration, { hasShortNames: true, everything: false });
const names = split.ok ? split.value : undefined;

/** A step in one line. */
function said(step: PlatformStep): string {
  if (step.kind === 'run') return step.argv.join(' ');
  return `${step.kind} ${step.path}`;
}

const onMacos = macosUp(tunnel, names);
const macosSteps = onMacos.ok ? onMacos.value : [];

describe('macOS', () => {
  const steps = macosSteps;

  test('the tunnel is held by wg-quick, and only names of the cluster are asked there', () => {
    const lines = steps.map(said);
    expect(lines.slice(0, 3)).toEqual([
      'mkdir -p /usr/local/etc/wireguard /etc/resolver',
      'write /usr/local/etc/wireguard/sp-prod.conf',
      'wg-quick up /usr/local/etc/wireguard/sp-prod.conf',
    ]);
    expect(lines).toContain('write /etc/resolver/cluster.local');
    expect(text).not.toContain('DNS =');
  });

  test('what is written is taken away again', () => {
    const gone = macosDown(tunnel, names).map(said);
    for (const step of steps) if (step.kind === 'write') expect(gone).toContain(`delete ${step.path}`);
    expect(gone[0]).toBe('wg-quick down /usr/local/etc/wireguard/sp-prod.conf');
  });
});

describe('Windows', () => {
  test('the tunnel is a service of WireGuard’s own, which goes again', () => {
    const lines = windowsUp(tunnel, names).map(said);
    expect(lines[1]).toMatch(/wireguard\.exe \/installtunnelservice .*\\sp-prod\.conf$/);
    expect(lines.some((line) => line.includes("Add-DnsClientNrptRule -Namespace '.cluster.local'"))).toBe(true);
    const gone = windowsDown(tunnel).map(said);
    expect(gone.some((line) => line.endsWith('/uninstalltunnelservice sp-prod'))).toBe(true);
    expect(gone.some((line) => line.includes('Remove-DnsClientNrptRule'))).toBe(true);
    expect(gone.at(-1)).toMatch(/^delete .*\\sp-prod\.conf$/);
  });

  test('without names nothing is said of them', () => {
    expect(windowsUp(tunnel, undefined)).toHaveLength(2);
  });
});

describe('a full tunnel elsewhere', () => {
  const offering = aClientConfiguration({ gateways: [aClientGateway({ internet: EVERYTHING })] });
  const whole = fullConfiguration(offering);
  const full = { ...tunnel, text: whole.ok ? keyedWgQuick(whole.value, { privateKey }) : '' };
  const all = splitNames(offering, { hasShortNames: true, everything: true });
  const everything = all.ok ? all.value : undefined;

  test('is a file with both default routes and a DNS line', () => {
    expect(full.text).toContain(', 0.0.0.0/0, ::/0\n');
    expect(full.text).toContain('\nDNS = 10.96.0.10, ');
  });

  test('on macOS leaves names to wg-quick, and is taken away as any other', () => {
    const steps = macosUp(full, everything);
    expect(steps.ok && steps.value.map(said)).toEqual([
      'mkdir -p /usr/local/etc/wireguard /etc/resolver',
      'write /usr/local/etc/wireguard/sp-prod.conf',
      'wg-quick up /usr/local/etc/wireguard/sp-prod.conf',
      'dscacheutil -flushcache',
      'killall -HUP mDNSResponder',
    ]);
  });

  test('on Windows has a rule for all names; the service itself lets nothing out beside a file with 0.0.0.0/0', () => {
    const lines = windowsUp(full, everything).map(said);
    expect(lines.some((line) => line.includes("Add-DnsClientNrptRule -Namespace '.' -NameServers '10.96.0.10'"))).toBe(
      true,
    );
    expect(windowsDown(full).map(said)).toEqual(windowsDown(tunnel).map(said));
  });
});

describe.each([
  ['macOS', [...macosSteps, ...macosDown(tunnel, names)]],
  ['Windows', [...windowsUp(tunnel, names), ...windowsDown(tunnel)]],
])('on %s', (_system, steps) => {
  test('the private key stands in one secret file and in no command', () => {
    for (const step of steps) {
      if (step.kind === 'run') expect(step.argv.join(' ')).not.toContain(privateKey);
      if (step.kind === 'write') expect(step.text.includes(privateKey)).toBe(step.secret);
    }
  });
});

describe('a configuration for another program', () => {
  test('with its key is one that this program reads as well', () => {
    const read = parseWgQuick(keyedWgQuick(configuration, { privateKey }));
    expect(read).toEqual({ ok: true, value: configuration });
  });

  test('as a QR code fits into a terminal of 80 columns', () => {
    const lines = qrCode(configuration, { privateKey }).split('\n');
    expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(80);
    expect(lines.length).toBeLessThanOrEqual(40);
  });

  test('for NetworkManager asks the cluster for names of its domain alone, and routes nothing else there', () => {
    const lines = networkManager(configuration, { privateKey }, { name: 'prod', device: 'sp-prod' }).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'interface-name=sp-prod',
        `private-key=${privateKey}`,
        'allowed-ips=10.96.0.0/12;10.213.0.1/32;',
        'address1=10.213.0.20/32',
        'never-default=true',
        'dns-search=svc.cluster.local;~cluster.local;',
      ]),
    );
    expect(lines.slice(lines.indexOf('[ipv6]'))).toEqual(['[ipv6]', 'method=disabled', '']);
  });
});

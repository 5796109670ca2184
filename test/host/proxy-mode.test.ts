import { describe, expect, test } from 'vitest';
import { detectProxyMode } from '../../src/host/proxy-mode.ts';
import { ScriptedCommands } from '../support/scripted-commands.ts';

const chains = (...found: readonly (readonly [string, string])[]) =>
  JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6' } },
      { table: { family: 'ip', name: 'nat' } },
      ...found.map(([table, name]) => ({ chain: { family: 'ip', table, name } })),
    ],
  });
const nobody = async () => undefined;
const detect = (text: string, ask: typeof nobody | (() => Promise<'ipvs'>), links: readonly string[] = []) =>
  detectProxyMode(
    ask,
    links.map((name) => ({ name })),
    new ScriptedCommands(() => text),
  );

describe('how Services are proxied', () => {
  test('kube-proxy says itself', async () => {
    expect(await detect(chains(['kube-proxy', 'services']), async () => 'ipvs')).toBe('ipvs');
  });

  test('else its interface tells', async () => {
    expect(await detect(chains(), nobody, ['lo', 'kube-ipvs0'])).toBe('ipvs');
  });

  test.each([
    [chains(['kube-proxy', 'services'], ['nat', 'KUBE-SERVICES']), 'nftables'],
    [chains(['nat', 'PREROUTING'], ['nat', 'KUBE-SERVICES']), 'iptables'],
    [chains(['mine', 'KUBE-SERVICES'], ['nat', 'DOCKER']), 'unknown'],
    [chains(), 'unknown'],
  ])('else its chains tell', async (text, mode) => {
    expect(await detect(text, nobody)).toBe(mode);
  });
});

import { describe, expect, test } from 'vitest';
import { proxyFor } from '../../src/k8s/proxy.ts';

const SERVER = new URL('https://api.prod.example.com:6443');

describe('which proxy is on the way', () => {
  test.each([
    ['none', {}, undefined, undefined],
    ['HTTPS_PROXY for https', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://q:1' }, undefined, 'http://p:1'],
    ['lower case too', { https_proxy: 'http://p:1' }, undefined, 'http://p:1'],
    ['without a scheme it is http', { HTTPS_PROXY: 'p:3128' }, undefined, 'http://p:3128'],
    ['the kubeconfig wins', { HTTPS_PROXY: 'http://p:1' }, 'http://k:1', 'http://k:1'],
    ['even over NO_PROXY', { NO_PROXY: '*' }, 'http://k:1', 'http://k:1'],
    ['an empty variable is none', { HTTPS_PROXY: '' }, undefined, undefined],
  ])('%s', (_what, env, configured, expected) => {
    expect(proxyFor(SERVER, env, configured)?.origin).toBe(expected);
  });

  test.each([
    ['*', true],
    ['example.com', true],
    ['.example.com', true],
    ['*.example.com', true],
    ['API.prod.EXAMPLE.com', true],
    ['other, api.prod.example.com', true],
    ['api.prod.example.com:6443', true],
    ['api.prod.example.com:443', false],
    ['xample.com', false],
    ['prod.example.com.evil', false],
    ['10.0.0.0/8', false],
    ['', false],
  ])('NO_PROXY %o excepts api.prod.example.com:6443: %o', (rule, excepted) => {
    expect(proxyFor(SERVER, { HTTPS_PROXY: 'http://p:1', NO_PROXY: rule }) === undefined).toBe(excepted);
  });

  test.each([
    ['https://10.1.2.3:6443', '10.0.0.0/8', true],
    ['https://10.1.2.3:6443', '10.2.0.0/16', false],
    ['https://10.1.2.3:6443', '10.1.2.3', true],
    ['https://10.1.2.3:6443', '2.3', false],
    ['https://10.1.2.3:6443', '10.0.0.0/99', false],
    ['https://[fd00::1]:6443', 'fd00::/8', true],
    ['https://[fd00::1]:6443', '[fd00::1]', true],
    ['https://127.0.0.1:6443', '', true],
    ['https://localhost:6443', '', true],
    ['https://[::1]:6443', '', true],
  ])('%s with NO_PROXY %o is excepted: %o', (server, rule, excepted) => {
    expect(proxyFor(new URL(server), { HTTPS_PROXY: 'http://p:1', NO_PROXY: rule }) === undefined).toBe(excepted);
  });

  test('a proxy that we cannot use is named without its password', () => {
    expect(() => proxyFor(SERVER, { HTTPS_PROXY: 'socks5://me:secret@p:1' })).toThrow(
      /^the proxy socks5:\/\/p:1 is not/,
    );
    expect(() => proxyFor(SERVER, { HTTPS_PROXY: 'me:secret@p:port' })).toThrow(/^the proxy is not a URL: p:port$/);
  });
});

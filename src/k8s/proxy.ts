import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy on the way to a server: the kubeconfig's own, else HTTPS_PROXY or HTTP_PROXY unless NO_PROXY
 * excepts the host. Rules as in Go's net/http, so that kubectl and we agree.
 */
export function proxyFor(server: URL, env: Environment, configured?: string | undefined): URL | undefined {
  const text = configured || (isExcepted(server, env) ? undefined : fromEnvironment(server, env));
  if (text === undefined || text === '') return undefined;
  const url = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(url)) throw new Error(`the proxy is not a URL: ${text.replace(/^.*@/, '')}`);
  const proxy = new URL(url);
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy;
  throw new Error(`the proxy ${proxy.protocol}//${proxy.host} is not supported: use an http or https proxy`);
}

/** Opens a tunnel through an http(s) proxy by CONNECT; the answer is the raw socket to the target. */
export function connectThrough(proxy: URL, target: { readonly host: string; readonly port: number }): Promise<Socket> {
  const authority = `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`;
  const headers: Record<string, string> = { host: authority };
  if (proxy.username !== '') {
    const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    headers['proxy-authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
  }
  return new Promise((resolve, reject) => {
    const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send({
      method: 'CONNECT',
      host: bare(proxy.hostname),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      path: authority,
      headers,
      agent: false,
      timeout: 15_000,
    });
    request.once('connect', (answer, socket) => {
      if (answer.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new Error(`the proxy ${proxy.host} refused to connect to ${authority}: ${answer.statusCode}`));
      }
    });
    request.once('response', (answer) => {
      request.destroy();
      reject(new Error(`the proxy ${proxy.host} refused to connect to ${authority}: ${answer.statusCode}`));
    });
    request.once('timeout', () => request.destroy(new Error(`the proxy ${proxy.host} does not answer`)));
    request.once('error', reject);
    request.end();
  });
}

function fromEnvironment(server: URL, env: Environment): string | undefined {
  return server.protocol === 'https:' ? (env.HTTPS_PROXY ?? env.https_proxy) : (env.HTTP_PROXY ?? env.http_proxy);
}

function isExcepted(server: URL, env: Environment): boolean {
  const host = bare(server.hostname).toLowerCase();
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return true;
  const port = server.port || (server.protocol === 'https:' ? '443' : '80');
  const rules = (env.NO_PROXY ?? env.no_proxy ?? '').split(',').map((rule) => rule.trim().toLowerCase());
  return rules.some((rule) => rule !== '' && (rule === '*' || matches(rule, host, port)));
}

function matches(rule: string, host: string, port: string): boolean {
  if (rule.includes('/')) return inRange(rule, host);
  const colon = rule.lastIndexOf(':');
  const hasPort = colon > 0 && isIP(bare(rule)) === 0 && /^\d+$/.test(rule.slice(colon + 1));
  if (hasPort && rule.slice(colon + 1) !== port) return false;
  const name = bare(hasPort ? rule.slice(0, colon) : rule).replace(/^\*?\./, '.');
  if (host === name) return true;
  return isIP(host) === 0 && host.endsWith(name.startsWith('.') ? name : `.${name}`);
}

function inRange(rule: string, host: string): boolean {
  const [network = '', bits = ''] = rule.split('/');
  const family = isIP(network);
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(bits)) return false;
  const width = Number(bits);
  if (width > (family === 6 ? 128 : 32)) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(network, width, type);
  return list.check(host, type);
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

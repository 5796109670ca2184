import { type IpAddress, parseAddress } from './address.ts';
import { type Parsed, parsed, quoted, refused } from './parsed.ts';

/** `host:port` as WireGuard writes it; an IPv6 host stands in brackets. */
export type Endpoint = string & { readonly __endpoint: never };

const LABEL = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';

/** A DNS name but for its length (253 at most), without anchors, as a regular expression that CEL and JavaScript read alike. */
export const DNS_NAME_PATTERN = `${LABEL}(\\.${LABEL})*\\.?`;

/** A port from 1 to 65535 without leading zeros, without anchors, for CEL and JavaScript. */
export const PORT_PATTERN = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';

const DNS_NAME = new RegExp(`^${DNS_NAME_PATTERN}$`);

/** An endpoint from `host`, `host:port` or `[v6]:port`; `defaultPort` fills a missing port. */
export function parseEndpoint(text: string, defaultPort?: number): Parsed<Endpoint> {
  const split = splitHostPort(text);
  if (split === undefined)
    return refused(
      `${quoted(text)} is not HOST or HOST:PORT (write an IPv6 address with a port as [2001:db8::1]:51840)`,
    );
  const port = split.port === undefined ? defaultPort : Number(split.port);
  if (port === undefined) return refused(`${quoted(text)} has no port`);
  if (port < 1 || port > 65535) return refused(`${quoted(text)} has a port outside 1-65535`);
  const address = parseAddress(split.host);
  if (address.ok) return parsed(endpointOf(address.value, port));
  if (split.bracketed || /^[\d.]+$/.test(split.host)) return refused(`${quoted(text)}: ${address.problem}`);
  if (split.host.length > 253 || !DNS_NAME.test(split.host)) return refused(`${quoted(text)} names no valid host`);
  return parsed(`${split.host.toLowerCase()}:${port}` as Endpoint);
}

/** The endpoint at an address, with the brackets that IPv6 needs. */
export function endpointOf(address: IpAddress, port: number): Endpoint {
  return (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`) as Endpoint;
}

/** The host (an IPv6 address without brackets) and the port of an endpoint. */
export function endpointParts(endpoint: Endpoint): { readonly host: string; readonly port: number } {
  const colon = endpoint.lastIndexOf(':');
  return { host: endpoint.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(endpoint.slice(colon + 1)) };
}

function splitHostPort(
  text: string,
): { readonly host: string; readonly port?: string; readonly bracketed: boolean } | undefined {
  const bracketed = /^\[([^\]]*:[^\]]*)\](?::(0|[1-9]\d{0,4}))?$/.exec(text);
  if (bracketed !== null) return hostPort(bracketed, true);
  const bareV6 = parseAddress(text);
  if (bareV6.ok) return { host: text, bracketed: false };
  const plain = /^([^:[\]\s]+)(?::(0|[1-9]\d{0,4}))?$/.exec(text);
  return plain === null ? undefined : hostPort(plain, false);
}

function hostPort(match: RegExpExecArray, bracketed: boolean) {
  const [, host = '', port] = match;
  return port === undefined ? { host, bracketed } : { host, port, bracketed };
}

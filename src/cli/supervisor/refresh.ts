import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { type ClientConfiguration, CONFIGURATION_PORT } from '../../mesh/client-configuration.ts';
import { parseWgQuick } from '../../mesh/wg-quick.ts';
import type { IpAddress } from '../../net/address.ts';

const PATIENCE_MS = 5_000;
/** Far more than a configuration with a hundred endpoints needs. */
const MOST_BYTES = 1024 * 1024;

/** Who is asked, and the device's own mesh address of that family. */
export interface Asking {
  readonly address: IpAddress;
  readonly from: IpAddress;
}

/** What a gateway answered: the configuration, or that it is still the one that `etag` names. */
export type Told =
  | { readonly kind: 'same' }
  | { readonly kind: 'new'; readonly configuration: ClientConfiguration; readonly etag: string | undefined };

/**
 * Asks a gateway, through the tunnel, for this device's current configuration. It knows the device by its mesh address, which WireGuard
 * proves, so no credentials are needed; and it is asked from that address, so that nobody outside of the tunnel can answer. @throws when it does not answer, refuses, or says what this version cannot read
 */
export async function askGateway({ address, from }: Asking, etag: string | undefined): Promise<Told> {
  const request = get({
    host: address,
    localAddress: from,
    port: CONFIGURATION_PORT,
    path: '/',
    agent: false,
    headers: etag === undefined ? {} : { 'if-none-match': etag },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = await bounded(response);
  if (response.statusCode === 304) return { kind: 'same' };
  if (response.statusCode !== 200)
    throw new Error(`${address} answered ${response.statusCode}: ${body.trim().slice(0, 200)}`);
  const configuration = parseWgQuick(body);
  if (!configuration.ok) throw new Error(`${address} told an unreadable configuration: ${configuration.problem}`);
  return { kind: 'new', configuration: configuration.value, etag: response.headers.etag };
}

async function bounded(response: IncomingMessage): Promise<string> {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) response.destroy(new Error('a configuration of more than 1 MiB'));
  });
  return text(response);
}

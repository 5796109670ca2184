import { type Family, parseAddress } from '../../net/address.ts';
import { type Cidr, hostCidr, parseCidr } from '../../net/cidr.ts';
import { jsonObjects } from '../json.ts';
import type { Route } from './route.ts';

const TOOL = 'ip -json route';

/**
 * The routes through the device that `ip -json route show` lists; a prefix that is no unicast prefix of ours is left out.
 * @throws {UnreadableOutput} when the text is not that command's output.
 */
export function parseRoutes(text: string, family: Family, device: string): readonly Route[] {
  return parseMainRoutes(text, family).filter((route) => route.device === device);
}

/** The same for all devices. @throws {UnreadableOutput} */
export function parseMainRoutes(text: string, family: Family): readonly Route[] {
  return jsonObjects(TOOL, text).flatMap(({ dst, dev }) => {
    const destination = typeof dst === 'string' ? parseDestination(dst, family) : undefined;
    return typeof dev === 'string' && destination !== undefined ? [{ destination, device: dev }] : [];
  });
}

/** `ip` writes a host's route without a length and 0.0.0.0/0 or ::/0 as `default`. */
function parseDestination(destination: string, family: Family): Cidr | undefined {
  if (destination === 'default') return (family === 6 ? '::/0' : '0.0.0.0/0') as Cidr;
  const address = parseAddress(destination);
  if (address.ok) return hostCidr(address.value);
  const cidr = parseCidr(destination);
  return cidr.ok ? cidr.value : undefined;
}

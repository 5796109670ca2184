import { createHash } from 'node:crypto';
import { addressFromValue, type IpAddress } from './address.ts';
import { type Cidr, cidrRange } from './cidr.ts';

/** Addresses at the start of a pool that peers never get: the network address, the gateways' (1-14) and the probe peer's (15). */
export const RESERVED_ADDRESSES = 16n;

/** How many gateways a pool has addresses for. */
export const MAX_GATEWAYS = 14;

/** The mesh address of the n-th gateway of a pool, counted from 0. @throws {RangeError} from MAX_GATEWAYS on. */
export function gatewayAddress(pool: Cidr, index: number): IpAddress {
  if (!(index >= 0 && index < MAX_GATEWAYS)) throw new RangeError(`a pool has no address for gateway number ${index}`);
  return nthAddress(pool, 1n + BigInt(index));
}

/** The address that every node's probe peer uses; it exists on the node's own interface only, so one serves all. */
export function probeAddress(pool: Cidr): IpAddress {
  return nthAddress(pool, 15n);
}

/** Whether peers may hold the address: inside the pool, outside its reserved start, not an IPv4 broadcast address. */
export function isAllocatable(pool: Cidr, value: bigint): boolean {
  const { first, last, family } = cidrRange(pool);
  return value >= first + RESERVED_ADDRESSES && value <= last - (family === 4 ? 1n : 0n);
}

/**
 * A free address for `owner`, or undefined when the pool is full. The search starts at a hash of the owner's name, so the
 * same owner gets the same address after a restart, a re-creation and in every cluster with the same pool, unless taken.
 */
export function allocateAddress(
  pool: Cidr,
  owner: string,
  isTaken: (address: IpAddress) => boolean,
): IpAddress | undefined {
  const { family, first, last } = cidrRange(pool);
  const start = first + RESERVED_ADDRESSES;
  const size = last - start + (family === 4 ? 0n : 1n);
  if (size <= 0n) return undefined;
  const offset = hash(owner) % size;
  for (let step = 0n; step < size; step++) {
    const address = addressFromValue(family, start + ((offset + step) % size));
    if (!isTaken(address)) return address;
  }
  return undefined;
}

function nthAddress(pool: Cidr, index: bigint): IpAddress {
  const { family, first } = cidrRange(pool);
  return addressFromValue(family, first + index);
}

function hash(text: string): bigint {
  return createHash('sha256').update(text).digest().readBigUInt64BE(0);
}

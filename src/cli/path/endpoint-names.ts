import { lookup as systemLookup } from 'node:dns/promises';
import type { Candidate } from '../../laptop/path/state.ts';
import { addressesIn, type IpAddress } from '../../net/address.ts';
import { type Endpoint, endpointOf, endpointParts } from '../../net/endpoint.ts';
import type { Clock } from '../../runtime/clock.ts';

/** All addresses of a host; rejects when it has none or nobody can say. */
export type Lookup = (host: string) => Promise<readonly IpAddress[]>;

/** What this machine's own resolver says, in the order that it prefers. */
export const lookupHere: Lookup = async (host) =>
  addressesIn((await systemLookup(host, { all: true })).map(({ address }) => address));

/** A name that was found before is waited for so long only: the resolver may be behind the very tunnel that is dead. */
const PATIENCE_MS = { known: 300, unknown: 2_000 };

/** What the names among endpoints stand for. Each question asks again; where no answer comes in time, the last one counts. */
export class EndpointNames {
  readonly #lookup: Lookup;
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #known = new Map<string, readonly IpAddress[]>();

  constructor(lookup: Lookup, clock: Pick<Clock, 'timer'>) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  /** Each endpoint with each of its addresses, in the order of the endpoints; one whose name nobody knows is left out. */
  async candidates(endpoints: readonly Endpoint[]): Promise<readonly Candidate[]> {
    const found = await Promise.all(endpoints.map((endpoint) => this.#candidatesOf(endpoint)));
    const first = new Map<Endpoint, Candidate>();
    for (const candidate of found.flat()) if (!first.has(candidate.address)) first.set(candidate.address, candidate);
    return [...first.values()];
  }

  async #candidatesOf(endpoint: Endpoint): Promise<readonly Candidate[]> {
    const { host, port } = endpointParts(endpoint);
    const [literal] = addressesIn([host]);
    const addresses = literal === undefined ? await this.#addressesOf(host) : [literal];
    return addresses.map((address) => ({ endpoint, address: endpointOf(address, port) }));
  }

  async #addressesOf(host: string): Promise<readonly IpAddress[]> {
    const known = this.#known.get(host);
    const answer = this.#lookup(host).then(
      (addresses) => {
        if (addresses.length > 0) this.#known.set(host, addresses);
        return addresses;
      },
      // A name that cannot be found now is one more endpoint that does not answer.
      () => known ?? [],
    );
    const late = Promise.withResolvers<readonly IpAddress[]>();
    const cancel = this.#clock.timer(known === undefined ? PATIENCE_MS.unknown : PATIENCE_MS.known, () =>
      late.resolve(known ?? []),
    );
    return Promise.race([answer, late.promise]).finally(cancel);
  }
}

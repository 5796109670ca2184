import type { Candidate } from '../../laptop/path/state.ts';
import type { DeviceKeys } from '../../laptop/renderings.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { type Endpoint, endpointParts } from '../../net/endpoint.ts';
import type { PublicKey } from '../../net/key.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { RaceEndpoint } from '../../usermode/race.ts';
import { race } from '../../usermode/race-socket.ts';
import { EndpointNames, type Lookup } from './endpoint-names.ts';

/** What races need of the machine. */
export interface Raceway {
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly lookup: Lookup;
  /** Called with the addresses of a race before it begins, where the machine must be told to let it out. */
  readonly admit?: ((addresses: readonly Endpoint[]) => Promise<void>) | undefined;
}

/** The endpoint that answered first, with the address that did, and how long that took in milliseconds. */
export type FirstToAnswer = Candidate & { readonly rttMs: number };

/**
 * Of each gateway the endpoint that answers first, by one race for each, all at once; a gateway that nowhere answers within two
 * seconds is left out. Needs no interface and no privileges. An interface that dials afterwards is answered at once.
 */
export async function raceAll(
  { gateways }: Pick<ClientConfiguration, 'gateways'>,
  keys: DeviceKeys,
  raceway: Raceway,
  signal?: AbortSignal,
): Promise<ReadonlyMap<PublicKey, FirstToAnswer>> {
  const names = new EndpointNames(raceway.lookup, raceway.clock);
  const results = await Promise.all(
    gateways.map(async ({ publicKey, endpoints }) => {
      const candidates = await names.candidates(endpoints);
      return [publicKey, await raceCandidates({ publicKey, candidates, keys }, raceway, signal)] as const;
    }),
  );
  return new Map(results.flatMap(([key, first]) => (first === undefined ? [] : [[key, first] as const])));
}

/** One race over candidates, most preferred first; undefined when nobody answered. */
export async function raceCandidates(
  entry: { readonly publicKey: PublicKey; readonly candidates: readonly Candidate[]; readonly keys: DeviceKeys },
  { clock, randomBytes, admit }: Raceway,
  signal?: AbortSignal,
): Promise<FirstToAnswer | undefined> {
  const { publicKey, candidates, keys } = entry;
  await admit?.(candidates.map(({ address }) => address));
  const lanes = new Map(candidates.map((candidate) => [laneOf(candidate.address), candidate]));
  const options = { ...keys, peerPublicKey: publicKey, endpoints: [...lanes.keys()], clock, randomBytes };
  const winner = await race(options, signal);
  const candidate = winner && lanes.get(winner.endpoint);
  return candidate && { ...candidate, rttMs: winner.rttMs };
}

function laneOf(address: Endpoint): RaceEndpoint {
  const { host, port } = endpointParts(address);
  return { address: host as RaceEndpoint['address'], port };
}

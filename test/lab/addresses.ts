export const UNDERLAY_PREFIX = 24;
export const API_PORT = 6443;

/** Where everything of one lab has its address, and the name of its cluster. */
export interface Site {
  readonly controlPlane: string;
  /** The API server as everything inside the lab sees it. */
  readonly apiUrl: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly apiService: string;
  readonly dnsService: string;
  readonly domain: string;
  /** The underlay address of the node with this number, counted from 1. */
  nodeAddress(index: number): string;
  /** The pod range of the node with this number, counted from 1. */
  nodePodCidr(index: number): string;
  /** The underlay address of the laptop with this number, counted from 1. */
  laptopAddress(index: number): string;
  /** The underlay address of a laptop of another lab, by its number there. */
  guestAddress(index: number): string;
}

/**
 * Every lab has its own network namespace, so all labs may use the same addresses, those of site 1. Labs that one laptop reaches
 * at the same time are of different sites:
 *
 *   underlay 172.(29 + SITE).0.0/24   .1 the control plane and the bridge   .11… nodes   .101… laptops   .201… those of other labs
 *   pods     10.(243 + SITE).N.0/24   of node N       services 10.(95 + SITE).0.0/16, cluster DNS at its .0.10
 */
export function siteOf(number: number): Site {
  const underlay = `172.${29 + number}.0`;
  const pods = `10.${243 + number}`;
  const services = `10.${95 + number}`;
  return {
    controlPlane: `${underlay}.1`,
    apiUrl: `https://${underlay}.1:${API_PORT}`,
    podCidr: `${pods}.0.0/16`,
    serviceCidr: `${services}.0.0/16`,
    apiService: `${services}.0.1`,
    dnsService: `${services}.0.10`,
    domain: number === 1 ? 'cluster.local' : `cluster-${number}.local`,
    nodeAddress: (index) => `${underlay}.${10 + index}`,
    nodePodCidr: (index) => `${pods}.${index}.0/24`,
    laptopAddress: (index) => `${underlay}.${100 + index}`,
    guestAddress: (index) => `${underlay}.${200 + index}`,
  };
}

/** Where labs are unless they are told otherwise. */
export const SITE = siteOf(1);

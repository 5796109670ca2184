/**
 * Every lab has its own network namespace, so all labs use the same addresses:
 *
 *   underlay 172.30.0.0/24   .1 the control plane and the bridge   .11… nodes   .101… laptops
 *   pods     10.244.N.0/24   of node N       services 10.96.0.0/16, cluster DNS 10.96.0.10
 */
export const UNDERLAY_PREFIX = 24;
export const CONTROL_PLANE_ADDRESS = '172.30.0.1';
export const API_PORT = 6443;
export const POD_CIDR = '10.244.0.0/16';
export const SERVICE_CIDR = '10.96.0.0/16';
export const API_SERVICE_ADDRESS = '10.96.0.1';
export const DNS_SERVICE_ADDRESS = '10.96.0.10';
export const CLUSTER_DOMAIN = 'cluster.local';

/** The API server's address as everything inside the lab sees it. */
export const API_URL_INSIDE = `https://${CONTROL_PLANE_ADDRESS}:${API_PORT}`;

/** The underlay address of the node with this number, counted from 1. */
export function nodeAddress(index: number): string {
  return `172.30.0.${10 + index}`;
}

/** The pod range of the node with this number, counted from 1. */
export function nodePodCidr(index: number): string {
  return `10.244.${index}.0/24`;
}

/** The underlay address of the laptop with this number, counted from 1. */
export function laptopAddress(index: number): string {
  return `172.30.0.${100 + index}`;
}

import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { unpackedPackage } from './debian-package.ts';
import type { ServicePort } from './kube-proxy.ts';
import type { Namespace } from './namespace.ts';

/** The program, and the libraries that not every machine has. */
const PACKAGES = ['ipvsadm', 'libnl-3-200', 'libnl-genl-3-200', 'libpopt0'] as const;

/** Why tests of ipvs cannot run here, said aloud; undefined when they can. Most machines load ip_vs only for whoever asks, so nobody does here. */
export const withoutIpvs = await problem();

/** Downloads what sets ipvs up, for a guest that cannot. */
export async function fetchIpvsadm(): Promise<void> {
  await Promise.all(PACKAGES.map(unpackedPackage));
}

/**
 * What kube-proxy leaves in the kernel in ipvs mode, as far as packets notice (pkg/proxy/ipvs of Kubernetes 1.36): addresses of Services on
 * kube-ipvs0, ipvs with conntrack, and one endpoint per Service. The address of a node's port is on the node already.
 */
export async function standInForIpvs(namespace: Namespace, services: readonly ServicePort[]): Promise<void> {
  await namespace.run('sysctl -qw net.ipv4.vs.conntrack=1');
  await namespace.run('ip link add kube-ipvs0 type dummy');
  const here = await namespace.run('ip -oneline address show');
  for (const { clusterIp, protocol, port, endpoint, targetPort } of services) {
    if (!here.includes(` ${clusterIp}/`)) await namespace.run(`ip address add ${clusterIp}/32 dev kube-ipvs0`);
    const service = [protocol === 'tcp' ? '--tcp-service' : '--udp-service', `${clusterIp}:${port}`];
    await ipvsadm(namespace, ['--add-service', ...service, '--scheduler', 'rr']);
    const server = ['--real-server', `${endpoint}:${targetPort}`, '--masquerading'];
    await ipvsadm(namespace, ['--add-server', ...service, ...server]);
  }
}

async function ipvsadm(namespace: Namespace, words: readonly string[]): Promise<void> {
  const folders = await Promise.all(PACKAGES.map(unpackedPackage));
  const found = (pattern: string) => globSync(folders.map((folder) => join(folder, pattern)));
  const [program = ''] = found('{,usr/}sbin/ipvsadm');
  const libraries = found('{,usr/}lib/*-linux-gnu').join(':');
  await namespace.commands.run(['env', `LD_LIBRARY_PATH=${libraries}`, program, ...words]);
}

async function problem(): Promise<string | undefined> {
  if (!existsSync('/proc/net/ip_vs'))
    return skipped('this kernel has no ip_vs, or has not loaded it; that of the kernel ring has');
  try {
    await fetchIpvsadm();
    return undefined;
  } catch (error) {
    return skipped(error instanceof Error ? error.message : String(error));
  }
}

function skipped(why: string): string {
  console.warn(`SKIPPED ipvs: ${why}`);
  return why;
}

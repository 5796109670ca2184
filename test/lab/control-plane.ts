import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { API_PORT, type Site } from './addresses.ts';
import type { Tools } from './binaries.ts';
import { issue, type KeyPair, makeAuthority, makeSigningKey } from './certificates.ts';
import { type Component, startComponent } from './component.ts';
import { openDoor } from './door.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { NodeCredentials } from './node-programs.ts';
import { poll, step } from './progress.ts';
import { labDirectory } from './record.ts';
import type { Sandbox } from './sandbox.ts';

/** A running control plane. */
export interface ControlPlane {
  readonly authority: KeyPair;
  /** The machine's port of the API server, on 127.0.0.1. */
  readonly port: number;
  /** The administrator's kubeconfig for the machine. */
  readonly kubeconfig: string;
  /** Waits until the API server says that it is ready, then starts the other parts. To be called once. */
  ready(): Promise<void>;
}

/** Starts etcd and the API server, and the controller manager and the scheduler once that is ready. */
export async function startControlPlane(
  lab: Sandbox,
  tools: Tools,
  site: Site,
  onEnded: (error: Error) => void,
): Promise<ControlPlane> {
  const pki = `${labDirectory(lab.lab)}/pki`;
  const start = (name: string, argv: readonly string[]) =>
    startComponent({
      sandbox: lab,
      name,
      argv: [tools.path(name), ...argv],
      log: controlPlaneLog(lab.lab, name),
      onEnded,
    });
  await start('etcd', etcdArguments(lab));
  const authority = await makeAuthority(pki, 'ca');
  await start('kube-apiserver', await apiserverArguments(pki, authority, site));
  const port = await openDoor(lab.init, site.controlPlane, API_PORT, controlPlaneLog(lab.lab, 'door'));
  const kubeconfig = await userKubeconfig(lab.lab, authority, 'admin', {
    commonName: 'lab-admin',
    organization: 'system:masters',
    server: `https://127.0.0.1:${port}`,
  });
  const ready = async () => {
    await step('waiting for the API server', apiIsReady(port, authority.cert));
    await startControllers(lab.lab, site, authority, start);
  };
  return { authority, port, kubeconfig, ready };
}

/** Makes a kubeconfig for one user of the lab's API server. */
export async function userKubeconfig(
  lab: string,
  authority: KeyPair,
  name: string,
  user: { readonly commonName: string; readonly organization?: string; readonly server: string },
): Promise<string> {
  const folder = labDirectory(lab);
  const client = await issue(authority, `${folder}/pki`, name, user);
  return writeKubeconfig(`${folder}/${name}.kubeconfig`, { server: user.server, authority, client });
}

/** Makes what a node needs to speak to the API server. */
export async function issueNodeCredentials(lab: string, server: string, node: string): Promise<NodeCredentials> {
  const pki = `${labDirectory(lab)}/pki`;
  const authority = { cert: `${pki}/ca.crt`, key: `${pki}/ca.key` };
  const [kubelet, kubeProxy] = await Promise.all([
    userKubeconfig(lab, authority, `kubelet-${node}`, {
      commonName: `system:node:${node}`,
      organization: 'system:nodes',
      server,
    }),
    userKubeconfig(lab, authority, `kube-proxy-${node}`, { commonName: 'system:kube-proxy', server }),
  ]);
  return { authority: authority.cert, kubelet, kubeProxy };
}

/** The log of a part of the control plane. */
export function controlPlaneLog(lab: string, name: string): string {
  return `${labDirectory(lab)}/logs/control-plane/${name}.log`;
}

type Start = (name: string, argv: readonly string[]) => Promise<Component>;

async function startControllers(lab: string, site: Site, authority: KeyPair, start: Start): Promise<void> {
  const pki = `${labDirectory(lab)}/pki`;
  const kubeconfig = (name: string) =>
    userKubeconfig(lab, authority, name, { commonName: `system:${name}`, server: site.apiUrl });
  await start('kube-controller-manager', [
    `--kubeconfig=${await kubeconfig('kube-controller-manager')}`,
    '--leader-elect=false',
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki}/service-accounts.key`,
    `--root-ca-file=${authority.cert}`,
    `--cluster-cidr=${site.podCidr}`,
    // A node's pod range is fixed by its number: the lab routes it before the cluster knows the node.
    '--allocate-node-cidrs=false',
    '--bind-address=127.0.0.1',
  ]);
  await start('kube-scheduler', [
    `--kubeconfig=${await kubeconfig('kube-scheduler')}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ]);
}

function etcdArguments(lab: Sandbox): readonly string[] {
  return [
    `--data-dir=${labDirectory(lab.lab)}/volatile/etcd`,
    '--listen-client-urls=http://127.0.0.1:2379',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

async function apiserverArguments(pki: string, authority: KeyPair, site: Site): Promise<readonly string[]> {
  const serving = await issue(authority, pki, 'apiserver', {
    commonName: 'kube-apiserver',
    alternatives: [
      ...['127.0.0.1', site.controlPlane, site.apiService].map((address) => `IP:${address}`),
      ...['', '.default', '.default.svc', `.default.svc.${site.domain}`].map((end) => `DNS:kubernetes${end}`),
      'DNS:localhost',
    ],
  });
  const kubeletClient = await issue(authority, pki, 'apiserver-kubelet-client', {
    commonName: 'kube-apiserver-kubelet-client',
    organization: 'system:masters',
  });
  const frontAuthority = await makeAuthority(pki, 'front-proxy-ca');
  const front = await issue(frontAuthority, pki, 'front-proxy-client', { commonName: 'front-proxy-client' });
  const tokens = await makeSigningKey(pki, 'service-accounts');
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    `--bind-address=${site.controlPlane}`,
    `--advertise-address=${site.controlPlane}`,
    `--secure-port=${API_PORT}`,
    `--tls-cert-file=${serving.cert}`,
    `--tls-private-key-file=${serving.key}`,
    `--client-ca-file=${authority.cert}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement',
    '--allow-privileged=true',
    `--service-cluster-ip-range=${site.serviceCidr}`,
    `--service-account-issuer=https://kubernetes.default.svc.${site.domain}`,
    `--service-account-key-file=${tokens.pub}`,
    `--service-account-signing-key-file=${tokens.key}`,
    `--kubelet-client-certificate=${kubeletClient.cert}`,
    `--kubelet-client-key=${kubeletClient.key}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--requestheader-client-ca-file=${frontAuthority.cert}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
    `--proxy-client-cert-file=${front.cert}`,
    `--proxy-client-key-file=${front.key}`,
  ];
}

/** Everybody may ask /readyz once the roles exist, so one answer tells both. */
async function apiIsReady(port: number, caFile: string): Promise<void> {
  const ca = readFileSync(caFile);
  const ask = () =>
    new Promise<true | undefined>((resolve) => {
      const asked = request({ host: '127.0.0.1', port, path: '/readyz', ca, agent: false, timeout: 2_000 });
      asked.on('response', (response) => {
        response.resume();
        resolve(response.statusCode === 200 ? true : undefined);
      });
      asked.on('error', () => resolve(undefined));
      asked.on('timeout', () => asked.destroy());
      asked.end();
    });
  await poll('the API server is ready', ask, { timeout: 120_000 });
}

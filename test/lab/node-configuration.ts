import type { Site } from './addresses.ts';
import type { KubeProxyMode } from './node.ts';

/** The image every pod's network belongs to. */
export const PAUSE_IMAGE = 'localhost/lab/pause:1';

/** Where a node finds its configuration. */
export const FILES = {
  containerd: '/etc/lab/containerd.toml',
  kubelet: '/etc/lab/kubelet.json',
  kubeletKubeconfig: '/etc/lab/kubelet.kubeconfig',
  kubeProxy: '/etc/lab/kube-proxy.json',
  kubeProxyKubeconfig: '/etc/lab/kube-proxy.kubeconfig',
  authority: '/etc/lab/ca.crt',
  cni: '/etc/cni/net.d/10-lab.conflist',
} as const;

/** containerd's configuration. */
export function containerdToml({ runc, cni }: { readonly runc: string; readonly cni: string }): string {
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs"]

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "${PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE, as in many containers, runc may not lower a score.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = "${runc}"
      SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["${cni}"]
    conf_dir = "/etc/cni/net.d"
`;
}

/** The pods' network: a cable and a route per pod, so that Service traffic between pods of one node is routed, too. */
export function cniConfiguration(podCidr: string): object {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: podCidr }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: '/run/cni',
  };
  return {
    cniVersion: '1.0.0',
    name: 'lab',
    plugins: [
      { type: 'ptp', ipMasq: false, mtu: 1500, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

/** KubeletConfiguration for a node whose pods live in this control group. */
export function kubeletConfiguration(cgroupRoot: string, { dnsService, domain }: Site): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: FILES.authority },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    clusterDNS: [dnsService],
    clusterDomain: domain,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    enforceNodeAllocatable: [],
    // The machine's disk is shared: its being full is no reason to throw pods off a node.
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
    },
    failCgroupV1: false,
    failSwapOn: false,
    imageGCHighThresholdPercent: 100,
    resolvConf: '/etc/resolv.conf',
    serializeImagePulls: false,
  };
}

/** KubeProxyConfiguration. */
export function kubeProxyConfiguration(mode: KubeProxyMode, podCidr: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: FILES.kubeProxyKubeconfig },
    mode,
    clusterCIDR: podCidr,
    detectLocalMode: 'ClusterCIDR',
    nodePortAddresses: ['primary'],
    iptables: { localhostNodePorts: false },
    // One look at all Services is dozens of calls of ipset, seconds of a guest's only processor; by default every half a minute, and
    // for every change at once.
    ipvs: { syncPeriod: '10m0s', minSyncPeriod: '3s' },
    // The kernel's table of connections is the machine's: no node may change its size.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}

/** A Go module below tools/ and how its commands are built. */
export interface ToolModule {
  readonly folder: string;
  /** What people call it. */
  readonly title: string;
  /** Minutes a first build takes on two processors, measured. */
  readonly minutes: number;
  readonly ldflags: string;
  readonly tags?: string;
  readonly cgo: boolean;
  /** Commands whose import path ends in something else than their name. */
  readonly rename?: Readonly<Record<string, string>>;
}

/** The version of the lab, as tools/kubernetes/go.mod has it. */
export const KUBERNETES_VERSION = { major: '1', minor: '36', version: 'v1.36.3' } as const;
const VERSION_PACKAGE = 'k8s.io/component-base/version';
/** Without these the API server says that it is v0.0.0. */
const KUBERNETES_LDFLAGS = [
  `-X ${VERSION_PACKAGE}.gitVersion=${KUBERNETES_VERSION.version}`,
  `-X ${VERSION_PACKAGE}.gitMajor=${KUBERNETES_VERSION.major}`,
  `-X ${VERSION_PACKAGE}.gitMinor=${KUBERNETES_VERSION.minor}`,
].join(' ');

const plain = { ldflags: '-s -w', cgo: false } as const;

/** Every module, the quick ones first, so that a broken set-up is noticed early. */
export const TOOL_MODULES: readonly ToolModule[] = [
  { ...plain, folder: 'wireguard-go', title: 'wireguard-go', minutes: 0.2, rename: { wireguard: 'wireguard-go' } },
  { ...plain, folder: 'cni', title: 'the CNI plugins', minutes: 0.1 },
  // Without seccomp every pod that asks for the RuntimeDefault profile dies.
  { ...plain, folder: 'runc', title: 'runc', minutes: 0.2, tags: 'seccomp', cgo: true },
  { ...plain, folder: 'etcd', title: 'etcd', minutes: 0.5, rename: { server: 'etcd' } },
  { ...plain, folder: 'containerd', title: 'containerd', minutes: 0.8 },
  { ...plain, folder: 'coredns', title: 'CoreDNS', minutes: 0.9 },
  { ...plain, folder: 'helm', title: 'Helm', minutes: 1.4 },
  {
    ...plain,
    folder: 'kubernetes',
    title: 'Kubernetes',
    minutes: 4.2,
    ldflags: `-s -w ${KUBERNETES_LDFLAGS}`,
  },
];

/** The kind command: not part of the lab, built only where somebody asks for it. */
export const KIND_MODULE: ToolModule = { ...plain, folder: 'kind', title: 'kind', minutes: 0.6 };

/** Many devices in one program, for benches alone. */
export const DEVICES_MODULE: ToolModule = {
  ...plain,
  folder: 'wireguard-devices',
  title: 'many WireGuard devices',
  minutes: 0.1,
};

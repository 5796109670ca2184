import type { Site } from './addresses.ts';
import type { Tools } from './binaries.ts';
import type { KubeProxyMode } from './node.ts';
import type { NodeCredentials } from './node-programs.ts';
import type { ProcessId } from './record.ts';
import type { Sandbox } from './sandbox.ts';

/** What a node needs from its cluster. */
export interface NodeSurroundings {
  readonly lab: Sandbox;
  readonly tools: Tools;
  readonly name: string;
  readonly index: number;
  readonly site: Site;
  readonly address: string;
  readonly podCidr: string;
  /** Image archives that every node has from the beginning. */
  readonly images: () => Promise<readonly string[]>;
  /** Lines of `ip` that lead to the other nodes' pods. */
  readonly routes: readonly string[];
  readonly kubeProxyMode: () => KubeProxyMode;
  /** Resolves once the API server answers. */
  readonly credentials: () => Promise<NodeCredentials>;
  /** Is told the node's first process when it changes. */
  readonly onInit: (init: ProcessId | undefined) => void;
  /** Is told when one of the node's programs ends by itself. */
  readonly onEnded: (error: Error) => void;
}

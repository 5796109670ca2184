import { SOURCE_PACKAGE, STABLE_PACKAGE } from '../linux-source.ts';
import { KUBERNETES_VERSION } from '../tool-list.ts';

/** What the cells are seen with: another version makes the table stale. */
export const VERSIONS = `Kubernetes ${KUBERNETES_VERSION.version}, and ${SOURCE_PACKAGE} of Debian (${STABLE_PACKAGE} on a machine that cannot have that one) where a node has a kernel of its own`;

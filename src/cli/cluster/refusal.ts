import { ApiError, isForbidden, isInvalid, isNotFound, isUnauthorized, TransportError } from '../../k8s/errors.ts';
import { NoConnection } from '../../k8s/kubeconfig.ts';
import { UserError } from '../output.ts';

/** What was asked of the cluster, for the sentence that explains why it was refused. */
export interface Asked {
  readonly server: string;
  readonly namespace: string;
  /** Such as `create MeshPeers`. */
  readonly act: string;
}

/** The refusal as one sentence and its remedy; what is no refusal stays as it is. */
export function refusal(error: unknown, asked: Asked): unknown {
  if (error instanceof NoConnection) return new UserError(error.message);
  if (error instanceof TransportError) return unreachable(error, asked);
  return error instanceof ApiError ? (apiRefusal(error, asked) ?? error) : error;
}

function unreachable(error: TransportError, { server }: Asked): UserError {
  return new UserError(
    `the cluster's API server ${server} cannot be reached (${error.message}); check the network and the kubeconfig: kubectl get --raw /version must answer`,
  );
}

function apiRefusal(error: ApiError, { server, namespace, act }: Asked): UserError | undefined {
  const { message } = error;
  if (isUnauthorized(error))
    return new UserError(`${server} does not accept your credentials; log in to the cluster again, then repeat this`);
  const policy = /denied request: (.+)$/s.exec(message)?.[1];
  if (policy !== undefined) return new UserError(`the cluster refuses this: ${policy}`);
  if (isForbidden(error))
    return new UserError(
      `you may not ${act} in namespace ${namespace}; ask its owner for the role: kubectl create rolebinding sallyport-developer -n ${namespace} --clusterrole=sallyport-developer --user=YOU`,
    );
  if (isNotFound(error))
    return isAbout(error, 'namespaces')
      ? new UserError(`there is no namespace ${namespace} in the cluster; choose another with --namespace`)
      : new UserError(
          `the cluster ${server} does not know MeshPeers: Sallyport is not installed there; whoever runs the cluster installs it with: helm install sallyport`,
        );
  return isInvalid(error) ? new UserError(`the cluster refuses this: ${message}`) : undefined;
}

function isAbout({ details }: ApiError, kind: string): boolean {
  return typeof details === 'object' && details !== null && 'kind' in details && details.kind === kind;
}

import { isForbidden, isNotFound } from '../../k8s/errors.ts';
import type { Transport } from '../../k8s/transport.ts';

/** The longest that spec.owner of a MeshPeer may be. */
const LONGEST = 253;

/** The name by which the API server knows the user, who is then the device's owner; undefined where it does not say, or not in one short line. */
export async function userName(transport: Transport): Promise<string | undefined> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  try {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const answer = (await transport.request({ method: 'POST', path, body: review })) as Answer;
    const name = answer?.status?.userInfo?.username;
    return typeof name === 'string' && name !== '' && name.length <= LONGEST && !/\p{Cc}/u.test(name)
      ? name
      : undefined;
  } catch (error) {
    // A cluster may take this right, which everybody has, away from people; the device is then nobody's by name.
    if (isForbidden(error) || isNotFound(error)) return undefined;
    throw error;
  }
}

type Answer = { readonly status?: { readonly userInfo?: { readonly username?: unknown } } } | undefined;

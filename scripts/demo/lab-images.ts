import { imageArchive } from '../../test/lab/image.ts';
import { nodeLayer } from '../../test/lab/workload.ts';

export const HELLO_IMAGE = 'localhost/demo/hello:1';

/** The archive of the image that the Deployment of hello.yaml runs in the lab. */
export function helloImage(): Promise<string> {
  const server = { path: '/hello.ts', file: `${import.meta.dirname}/hello.ts` };
  return imageArchive({
    name: HELLO_IMAGE,
    layers: [nodeLayer(), { entries: [server] }],
    entrypoint: ['/usr/bin/node', '/hello.ts'],
  });
}

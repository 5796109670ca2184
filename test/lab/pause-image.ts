import { imageArchive } from './image.ts';
import { PAUSE_IMAGE } from './node-configuration.ts';

/** The image that holds a pod's network open: a program that does nothing. */
export function pauseImage(): Promise<string> {
  return imageArchive({
    name: PAUSE_IMAGE,
    layers: [{ executables: [['/usr/bin/sleep', '/usr/bin/sleep']] }],
    entrypoint: ['/usr/bin/sleep', 'infinity'],
  });
}

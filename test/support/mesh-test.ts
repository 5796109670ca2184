import { test } from 'vitest';
import { SmallMesh } from './small-mesh.ts';

/** A test with a small mesh of its own, in which nothing of ours runs yet; such tests may run at once. */
export const meshTest = test.extend<{ mesh: SmallMesh }>({
  // biome-ignore lint/correctness/noEmptyPattern: a fixture that needs no other one is written so
  mesh: async ({}, use) => {
    const mesh = await SmallMesh.start();
    await use(mesh);
    await mesh.stop();
  },
});

import { crds, DEFAULT_POOL_FAMILIES } from '../../src/api/crd.ts';
import { storyGenerators } from '../../test/support/story.ts';
import { findHelm, INSTALL_MANIFEST, renderInstallManifest } from '../render-manifests.ts';
import { apiReference } from './api-reference.ts';
import { crdText } from './crd-text.ts';
import { metricsReference } from './metrics-reference.ts';

/** A committed file that is printed from the source. */
export interface GeneratedFile {
  /** From the project's top. */
  readonly path: string;
  /** The whole text, the same on every machine; undefined on one that lacks a program for it. */
  render(): string | undefined | Promise<string | undefined>;
}

/** Every generated file of the project, what others are made of first. `npm run update` writes them, a test compares them. */
export const GENERATED_FILES: readonly GeneratedFile[] = [
  ...crds(DEFAULT_POOL_FAMILIES).flatMap((crd) => {
    const name = `${crd.spec.names.plural}.yaml`;
    return [`crds/${name}`, `charts/sallyport/crds/${name}`].map((path) => ({ path, render: () => crdText(crd) }));
  }),
  { path: 'docs/reference/api.md', render: () => apiReference(crds(DEFAULT_POOL_FAMILIES)) },
  { path: 'docs/reference/metrics.md', render: () => metricsReference() },
  { path: INSTALL_MANIFEST, render: installManifest },
  ...storyGenerators(),
];

async function installManifest(): Promise<string | undefined> {
  const helm = findHelm();
  return helm === undefined ? undefined : renderInstallManifest(helm);
}

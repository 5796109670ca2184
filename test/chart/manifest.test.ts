import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { INSTALL_MANIFEST } from '../../scripts/render-manifests.ts';
import { inProject } from '../../scripts/support/paths.ts';
import type { Rendered } from './helm.ts';

const committed = readFileSync(inProject(INSTALL_MANIFEST), 'utf8');
const objects = parseAllDocuments(committed).map((document) => document.toJS() as Rendered);

describe(INSTALL_MANIFEST, () => {
  test('begins with a namespace that admits the agents, then the definitions', () => {
    expect(objects[0]).toMatchObject({
      kind: 'Namespace',
      metadata: { name: 'sallyport-system', labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
    });
    expect(objects.slice(1, 6).map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
      ['CustomResourceDefinition', 'clustermeshaccesses.sallyport.dev'],
      ['CustomResourceDefinition', 'meshaccesses.sallyport.dev'],
      ['CustomResourceDefinition', 'meshgatewaynodes.sallyport.dev'],
      ['CustomResourceDefinition', 'meshgateways.sallyport.dev'],
      ['CustomResourceDefinition', 'meshpeers.sallyport.dev'],
    ]);
  });

  test('has no object of a kind that it defines itself, because kubectl would refuse it', () => {
    expect(objects.filter(({ apiVersion }) => apiVersion.startsWith('sallyport.dev/'))).toEqual([]);
  });

  test('has nothing of Helm', () => {
    expect(committed).not.toMatch(/helm\.sh|: Helm$/m);
  });
});

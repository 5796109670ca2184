import { describe, expect, test } from 'vitest';
import { bundledPart } from '../../scripts/sbom.ts';

const DEVELOPMENT = { name: 'cdx:npm:package:development', value: 'true' };
const component = (ref: string) => ({ 'bom-ref': ref, name: ref, scope: 'optional', properties: [DEVELOPMENT] });

const WHOLE = {
  metadata: { component: { ...component('sallyport@1.0.0'), name: 'folder', scope: 'required' } },
  components: ['zod@1.0.0', 'vitest@2.0.0', 'inner@3.0.0'].map((ref) => ({ ...component(ref), licence: 'MIT' })),
  dependencies: [
    { ref: 'sallyport@1.0.0', dependsOn: ['zod@1.0.0', 'vitest@2.0.0'] },
    { ref: 'vitest@2.0.0', dependsOn: ['zod@1.0.0'] },
    { ref: 'zod@1.0.0', dependsOn: ['inner@3.0.0', 'vitest@2.0.0'] },
    { ref: 'inner@3.0.0', dependsOn: [] },
  ],
};

describe('the bill of materials of the command line', () => {
  test('has what is in the bundle, with all that npm knows of it, and no tool that only made it', () => {
    const { metadata, components, dependencies } = bundledPart(WHOLE, 'sallyport', ['zod@1.0.0', 'inner@3.0.0']);
    expect(metadata.component.name).toBe('sallyport');
    expect(components).toEqual(
      ['zod@1.0.0', 'inner@3.0.0'].map((ref) => ({
        'bom-ref': ref,
        name: ref,
        scope: 'required',
        properties: [],
        licence: 'MIT',
      })),
    );
    expect(dependencies).toEqual([
      { ref: 'sallyport@1.0.0', dependsOn: ['zod@1.0.0'] },
      { ref: 'zod@1.0.0', dependsOn: ['inner@3.0.0'] },
      { ref: 'inner@3.0.0', dependsOn: [] },
    ]);
  });

  test('is refused where the lock file is of something else', () => {
    expect(() => bundledPart(WHOLE, 'sallyport', ['zod@1.0.1'])).toThrow(
      'the lock file does not have zod@1.0.1, of which the bundle is made: run npm ci',
    );
  });
});

import { stringify } from 'yaml';
import type { CustomResourceDefinition } from '../../src/api/crd.ts';

/** A CRD as a YAML file. */
export function crdText(crd: CustomResourceDefinition): string {
  const yaml = stringify(crd, { lineWidth: 120, aliasDuplicateObjects: false });
  return `# Printed from src/api by \`npm run update\`.\n${yaml}`;
}

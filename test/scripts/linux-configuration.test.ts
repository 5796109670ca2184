import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lostOptions, withoutModules } from '../lab/linux-configuration.ts';

test('an option that the configuration gave up is told, set or unset', () => {
  const fragment = '# About.\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n# CONFIG_D is not set\n# CONFIG_E is not set\n';
  expect(lostOptions(fragment, 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=y\n')).toEqual([
    'CONFIG_B',
    'CONFIG_C',
    'CONFIG_D',
  ]);
  expect(lostOptions(fragment, 'CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n# CONFIG_D is not set\n')).toEqual([]);
});

test('what would be a module is built in', () => {
  expect(withoutModules('CONFIG_A=m\nCONFIG_B="=m"\nCONFIG_C=y\n')).toBe('CONFIG_A=y\nCONFIG_B="=m"\nCONFIG_C=y\n');
});

test('the fragment names no option twice', () => {
  const text = readFileSync(`${import.meta.dirname}/../lab/tools/linux/fragment.config`, 'utf8');
  const names = [...text.matchAll(/^(?:# )?(CONFIG_\w+)(?:=| is not set)/gm)].map(([, name]) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

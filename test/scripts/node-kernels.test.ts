import { expect, test } from 'vitest';
import { nodeKernels } from '../lab/node-kernels.ts';

const possible = () => undefined;
const impossible = () => 'there is no source of a kernel to build';

test("a lab test's nodes have their usual kernels, or those that were asked for", () => {
  expect(nodeKernels('mixed', undefined, possible)).toEqual(['own', 'shared']);
  expect(nodeKernels('mixed', 'kernel', possible)).toEqual(['own', 'own']);
  expect(() => nodeKernels('mixed', 'fast', possible)).toThrow('it may be mixed, kernel, userspace');
});

test('where no kernel can be built they share the machine’s, but not what was asked for', () => {
  expect(nodeKernels('mixed', undefined, impossible)).toEqual(['shared', 'shared']);
  expect(() => nodeKernels('mixed', 'kernel', impossible)).toThrow('no source of a kernel');
  expect(nodeKernels('mixed', 'userspace', impossible)).toEqual(['shared', 'shared']);
});

import { kernelProblem } from '../../scripts/support/machine.ts';
import type { NodeKernel } from './node.ts';

const SHAPES = {
  /** In-kernel WireGuard on node-1, wireguard-go on node-2. */
  mixed: ['own', 'shared'],
  kernel: ['own', 'own'],
  userspace: ['shared', 'shared'],
} as const satisfies Readonly<Record<string, readonly NodeKernel[]>>;

export type Shape = keyof typeof SHAPES;

/**
 * The kernels of a test's two nodes: as usual for that test, unless SALLYPORT_LAB_NODES names another shape. Where no kernel can be
 * built (`problem`) the nodes share the machine's, which is said. @throws Error for a shape that does not exist, or was asked for in vain
 */
export function nodeKernels(
  usual: Shape,
  wanted = process.env.SALLYPORT_LAB_NODES,
  problem: () => string | undefined = kernelProblem,
): readonly NodeKernel[] {
  const names = Object.keys(SHAPES) as readonly Shape[];
  const shape = names.find((name) => name === (wanted ?? usual));
  if (shape === undefined) throw new Error(`SALLYPORT_LAB_NODES is ${wanted}; it may be ${names.join(', ')}`);
  const why = shape === 'userspace' ? undefined : problem();
  if (why === undefined) return SHAPES[shape];
  if (wanted !== undefined) throw new Error(`SALLYPORT_LAB_NODES is ${wanted}, which cannot be had here: ${why}`);
  console.warn(`SKIPPED nodes with a kernel of their own: ${why}`);
  return SHAPES.userspace;
}

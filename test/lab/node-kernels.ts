import type { NodeKernel } from './node.ts';

const SHAPES = {
  /** In-kernel WireGuard on node-1, wireguard-go on node-2. */
  mixed: ['own', 'shared'],
  kernel: ['own', 'own'],
  userspace: ['shared', 'shared'],
} as const satisfies Readonly<Record<string, readonly NodeKernel[]>>;

export type Shape = keyof typeof SHAPES;

/** The kernels of a test's two nodes: as usual for that test, unless SALLYPORT_LAB_NODES names another shape. @throws Error if there is none of that name */
export function nodeKernels(usual: Shape, wanted = process.env.SALLYPORT_LAB_NODES): readonly NodeKernel[] {
  const names = Object.keys(SHAPES) as readonly Shape[];
  const shape = names.find((name) => name === (wanted ?? usual));
  if (shape === undefined) throw new Error(`SALLYPORT_LAB_NODES is ${wanted}; it may be ${names.join(', ')}`);
  return SHAPES[shape];
}

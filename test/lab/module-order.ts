import { basename } from 'node:path';

/**
 * The files of these kernel modules and of all that they need, each after what it needs, from the text of depmod's `modules.dep`.
 * @throws Error naming a module that is not there
 */
export function loadOrder(modulesDep: string, names: readonly string[]): readonly string[] {
  const needs = new Map(
    modulesDep
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [file = '', ...needed] = line.split(/:? +|:$/).filter((word) => word !== '');
        return [file, needed] as const;
      }),
  );
  const files = new Map([...needs.keys()].map((file) => [basename(file, '.ko'), file]));
  const order = new Set<string>();
  const add = (file: string) => {
    for (const needed of needs.get(file) ?? []) add(needed);
    order.add(file);
  };
  for (const name of names) {
    const file = files.get(name);
    if (file === undefined) throw new Error(`this kernel has no module ${name}`);
    add(file);
  }
  return [...order];
}

/**
 * The lines of a configuration fragment that did not survive `make olddefconfig`: the option has another name in this
 * kernel, or lacks what it depends on. make says nothing of them.
 */
export function lostOptions(fragment: string, configuration: string): readonly string[] {
  const settled = settings(configuration);
  return [...settings(fragment)].filter(([name, value]) => (settled.get(name) ?? 'n') !== value).map(([name]) => name);
}

/** A configuration in which nothing is a module: the guest has no folder of modules. */
export function withoutModules(configuration: string): string {
  return configuration.replace(/=m$/gm, '=y');
}

function settings(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$/gm);
  return new Map([...found].map(([, set, value, unset]) => [set ?? unset ?? '', value ?? 'n']));
}

import { field, type Json, text } from './json.ts';

/** Whether an object is within a namespace and matches both selectors of a request. */
export function selects(query: URLSearchParams, namespace: string | undefined): (object: Json) => boolean {
  const labels = requirements(query.get('labelSelector') ?? '');
  const fields = requirements(query.get('fieldSelector') ?? '');
  return (object) => {
    const metadata = field(object, 'metadata');
    if (namespace !== undefined && metadata.namespace !== namespace) return false;
    const labelOf = (name: string) => {
      const value = field(metadata, 'labels')[name];
      return typeof value === 'string' ? value : undefined;
    };
    return labels.every((holds) => holds(labelOf)) && fields.every((holds) => holds((path) => fieldAt(object, path)));
  };
}

type Requirement = (read: (name: string) => string | undefined) => boolean;

function requirements(selector: string): readonly Requirement[] {
  // Commas inside parentheses separate values, not requirements.
  return selector
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(requirement);
}

function requirement(part: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (set) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return (read) => values.includes(read(set[1] ?? '') ?? '') === (set[2] === 'in');
  }
  const equal = /^([^=!]+?)(!=|==|=)(.*)$/.exec(part);
  if (equal) return (read) => (read(equal[1] ?? '') === equal[3]) === (equal[2] !== '!=');
  return part.startsWith('!') ? (read) => read(part.slice(1)) === undefined : (read) => read(part) !== undefined;
}

function fieldAt(object: Json, path: string): string {
  const names = path.split('.');
  const last = names.pop() ?? '';
  return text(names.reduce(field, object), last);
}

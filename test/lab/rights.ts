import { markdownTable } from '../../scripts/support/markdown-table.ts';

/** A rule as a SelfSubjectRulesReview tells it, which is what `kubectl auth can-i --list` prints. */
export interface AccessRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** What somebody may do in a namespace. */
export interface RightsOf {
  readonly user: string;
  readonly namespace: string;
  readonly rules: readonly AccessRule[];
  /** What everybody may do. */
  readonly but: readonly AccessRule[];
}

/** The rights as Markdown, a table for each user and namespace. */
export function rightsText(all: readonly RightsOf[]): string {
  return all
    .map(({ user, namespace, rules, but }) => {
      const everybodys = new Set(but.flatMap(rows).map((row) => row.join()));
      const own = rules.flatMap(rows).filter((row) => !everybodys.has(row.join()));
      const sorted = own.toSorted((one, other) => (one.join() < other.join() ? -1 : 1));
      const command = `kubectl auth can-i --list --as=${user} -n ${namespace}`;
      return `    ${command}\n\n${markdownTable([['Resources', 'Resource names', 'Verbs'], ...sorted])}`;
    })
    .join('\n\n');
}

function rows({
  verbs,
  apiGroups = [],
  resources = [],
  resourceNames = [],
}: AccessRule): readonly (readonly string[])[] {
  const names = resourceNames.map((name) => `\`${name}\``).join(' ');
  return apiGroups.flatMap((group) =>
    resources.map((resource) => [
      `\`${group === '' ? resource : `${resource}.${group}`}\``,
      names,
      verbs.toSorted().join(' '),
    ]),
  );
}

/** What a path held before we wrote there. */
export type FormerFile =
  | { readonly kind: 'absent' }
  | { readonly kind: 'link'; readonly target: string }
  | {
      readonly kind: 'file';
      readonly base64: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

const MARK = '# sallyport-former: ';
const INTRODUCTION = [
  '# Written by sallyport, which asks names of the cluster in the cluster and all others where they were asked before.',
  '# `sallyport down` brings back what was here, also after a crash: it stands in the lines that follow.',
];
/** So that a line stays below the 255 characters that the C libraries read of one. */
const LINE_LENGTH = 160;

/** Text that is recognised as ours and carries what it takes to undo it. */
export function markedText(text: string, former: FormerFile): string {
  // Of a path beyond latin1 too; base64 here takes bytes only.
  const json = JSON.stringify(former).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const carried = btoa(json);
  const chunks = carried.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  return [...INTRODUCTION, ...chunks.map((chunk) => `${MARK}${chunk}`), text].join('\n');
}

/** Whether somebody's text is ours. */
export function isMarked(text: string): boolean {
  return text.split('\n').some((line) => line.startsWith(MARK));
}

/** What stood where our text stands; undefined where the text is not ours, or somebody changed what it carries. */
export function formerIn(text: string): FormerFile | undefined {
  const lines = text.split('\n').filter((line) => line.startsWith(MARK));
  if (lines.length === 0) return undefined;
  try {
    return formerFrom(JSON.parse(atob(lines.map((line) => line.slice(MARK.length)).join(''))));
  } catch {
    return undefined;
  }
}

/** A former file as it was stored as JSON; undefined for anything else. */
export function formerFrom(value: unknown): FormerFile | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, target, base64, mode, uid, gid } = value as Readonly<Record<string, unknown>>;
  if (kind === 'absent') return { kind };
  if (kind === 'link') return typeof target === 'string' && target !== '' ? { kind, target } : undefined;
  if (kind !== 'file' || typeof base64 !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined;
  return isWhole(mode) && mode <= 0o7777 && isWhole(uid) && isWhole(gid) ? { kind, base64, mode, uid, gid } : undefined;
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

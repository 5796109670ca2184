import { type Parsed, parsed, refused } from '../net/parsed.ts';

/** A line of a file that is not as it should be. Its message names the line, and never quotes what may be a secret. */
export class UnreadableLine extends Error {
  override readonly name = 'UnreadableLine';

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
  }
}

/** What stands in one line after `KEY = `, or after `# `. */
export interface NumberedText {
  /** From 1 on. */
  readonly line: number;
  readonly text: string;
}

/** One `[Interface]` or `[Peer]` of a wg-quick file. */
export interface Section {
  /** Where its header stands. */
  readonly line: number;
  readonly kind: SectionKind;
  /** Comments between the section before and the header. */
  readonly notes: readonly NumberedText[];
  /** What each key says; only PostUp may be there more than once. */
  readonly settings: ReadonlyMap<string, readonly NumberedText[]>;
}

type SectionKind = 'Interface' | 'Peer';

const KEYS: Readonly<Record<SectionKind, readonly string[]>> = {
  Interface: ['PrivateKey', 'Address', 'MTU', 'DNS', 'PostUp'],
  Peer: ['PublicKey', 'PresharedKey', 'AllowedIPs', 'Endpoint', 'PersistentKeepalive'],
};

/** What else wg-quick and wg know. Only known words are told: anything else may be a piece of a key that a line was broken in. */
const FOREIGN_KEYS = ['ListenPort', 'FwMark', 'Table', 'PreUp', 'PreDown', 'PostDown', 'SaveConfig'];

interface OpenSection extends Section {
  readonly settings: Map<string, NumberedText[]>;
}

/** The sections of a wg-quick file, as long as they hold nothing but the keys that we write, and keys. @throws {UnreadableLine} */
export function sectionsIn(text: string): readonly Section[] {
  const sections: OpenSection[] = [];
  let notes: NumberedText[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '') continue;
    if (content.startsWith('#')) {
      notes.push({ line, text: content.slice(1).trim() });
      continue;
    }
    const kind = /^\[(Interface|Peer)\]$/.exec(content)?.[1] as SectionKind | undefined;
    if (kind === undefined) {
      addSetting(sections.at(-1), line, content);
      continue;
    }
    sections.push({ line, kind, notes, settings: new Map() });
    notes = [];
  }
  return sections;
}

/** A number of 16 bits. */
export function number(text: string): Parsed<number> {
  const value = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN;
  return value <= 65535 ? parsed(value) : refused('a number from 0 to 65535');
}

/** A parser of what stands between `, `, each as `parse` takes it; `form` says how the whole should look. */
export function listOf<T>(parse: (text: string) => Parsed<T>, form: string): (text: string) => Parsed<readonly T[]> {
  return (text) => {
    const entries = text.split(', ').map(parse);
    const values = entries.flatMap((entry) => (entry.ok ? [entry.value] : []));
    return values.length === entries.length ? parsed(values) : refused(form);
  };
}

/** What the section says under a key. @throws {UnreadableLine} also where it says nothing. */
export function required<T>(section: Section, key: string, parse: (text: string) => Parsed<T>): T {
  const value = optional(section, key, parse);
  if (value === undefined) throw new UnreadableLine(section.line, `[${section.kind}] has no ${key}`);
  return value;
}

/** What the section says under a key, if anything. @throws {UnreadableLine} */
export function optional<T>(section: Section, key: string, parse: (text: string) => Parsed<T>): T | undefined {
  const [setting] = section.settings.get(key) ?? [];
  return setting === undefined ? undefined : checked(setting, parse(setting.text), `${key}: `);
}

/** The value that stands in a line. @throws {UnreadableLine} */
export function checked<T>({ line }: NumberedText, result: Parsed<T>, prefix = ''): T {
  if (!result.ok) throw new UnreadableLine(line, `${prefix}${result.problem}`);
  return result.value;
}

function addSetting(section: OpenSection | undefined, line: number, content: string): void {
  const [, key = '', text = ''] = /^([A-Za-z]{1,24})\s*=\s*(\S.*)$/.exec(content) ?? [];
  if (key === '') throw new UnreadableLine(line, 'neither a comment, nor a section, nor KEY = VALUE');
  if (section === undefined) throw new UnreadableLine(line, 'no section begins before it');
  if (!KEYS[section.kind].includes(key)) {
    const isKnown = [...KEYS.Interface, ...KEYS.Peer, ...FOREIGN_KEYS].includes(key);
    throw new UnreadableLine(line, `${isKnown ? key : 'this'} is no key that Sallyport writes in [${section.kind}]`);
  }
  const before = section.settings.get(key);
  if (before !== undefined && key !== 'PostUp') throw new UnreadableLine(line, `${key} is there twice`);
  section.settings.set(key, [...(before ?? []), { line, text }]);
}

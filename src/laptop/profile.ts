// The small one: every command of the laptop reads these.
import * as z from 'zod/mini';
import { type Parsed, parsed, quoted, refused } from '../net/parsed.ts';

/** Lowercase letters, digits and dashes, 40 at most: it names a folder, a socket and an interface. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** Linux has 15 bytes for the name of an interface (IFNAMSIZ - 1). */
const INTERFACE_LENGTH = 15;
const PREFIX = 'sp-';
/** Root takes an interface of this name away, so it is none of anybody else's. */
const DEVICE = /^sp-[a-z0-9][a-z0-9-]{0,11}$/;

const profileSchema = z.object({
  version: z.literal(1),
  name: z.string().check(z.regex(NAME)),
  /** The name of the interface, the same at each `up`. */
  device: z.string().check(z.regex(DEVICE)),
  /** The MeshPeer in its cluster. */
  namespace: z.string().check(z.minLength(1)),
  peer: z.string().check(z.minLength(1)),
  /** The API server and the kubeconfig's context that `join` used, for `rotate`, `leave` and `doctor`. */
  server: z.string(),
  context: z.exactOptional(z.string()),
  /** RFC 3339; the cluster shuts the device out then. */
  expiresAt: z.exactOptional(z.string()),
  joinedAt: z.string(),
});

/** What a laptop knows of one cluster that it has joined, besides its key and its WireGuard configuration. */
export type Profile = Readonly<z.infer<typeof profileSchema>>;

/** A profile from the text of its file; the problem says what is wrong with it. */
export function parseProfile(text: string): Parsed<Profile> {
  const json = jsonOf(text);
  const result = profileSchema.safeParse(json);
  if (result.success) return parsed(result.data);
  const [issue] = result.error.issues;
  return refused(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'unreadable'}`);
}

/** The name as it is, or why it cannot be one. */
export function profileName(text: string): Parsed<string> {
  if (NAME.test(text)) return parsed(text);
  return refused(`${quoted(text)} is no name for a profile: use lowercase letters, digits and dashes, 40 at most`);
}

/** A name made of any text, such as that of a kubeconfig's context; undefined when nothing of it is left. */
export function nameFrom(text: string): string | undefined {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return name === '' ? undefined : name;
}

/** The interface of a new profile: named like it as far as that fits, and unlike the interfaces of the other profiles. */
export function deviceFor(name: string, taken: ReadonlySet<string>): string {
  for (let number = 0; ; number += 1) {
    const end = number === 0 ? '' : String(number);
    const device = `${PREFIX}${name}`.slice(0, INTERFACE_LENGTH - end.length).replace(/-+$/, '') + end;
    if (!taken.has(device)) return device;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import { isObject, type JsonObject, jsonList, jsonObject, parseJson } from '../json.ts';
import { UnreadableOutput } from '../unreadable.ts';
import { digest } from './digest.ts';
import { type Marker, parseMarker } from './render.ts';
import type { ObservedRuleset, Ruleset } from './ruleset.ts';

const TOOL = 'nft -j list table';

/** A table as nft lists it, and what tells its structure from any other. */
export interface ListedTable {
  readonly observed: ObservedRuleset;
  /**
   * Names what the kernel holds apart from elements, counters, handles and our markers. Two versions of nft may spell the same
   * table differently; then the table is written once more, atomically, which no packet notices.
   */
  readonly fingerprint: string;
  /** How many rules each chain has that is no marker. */
  readonly rules: ReadonlyMap<string, number>;
}

/** Reads `nft -j -s list table inet NAME`. @throws {UnreadableOutput} when the text is not that command's output. */
export function parseTable(text: string, table: string): ListedTable {
  const entries = tableEntries(text);
  const markers = entries.flatMap((entry) => entry.marker ?? []);
  const value = (kind: 'written' | 'seal') =>
    markers.flatMap((marker) => (marker.kind === kind ? [marker.value] : []))[0];
  const structure = entries.filter(({ marker }) => marker === undefined).map(({ kind, body }) => [kind, lasting(body)]);
  const fingerprint = digest(JSON.stringify(structure));
  const sets = entries.filter(({ kind }) => kind === 'set');
  const observed: ObservedRuleset = {
    table,
    written: value('written'),
    intact: value('seal') === fingerprint,
    elements: new Map(sets.map(({ body }) => [String(body.name), jsonList(TOOL, body.elem).map(elementText)])),
    turnedOn: markers.flatMap((marker) => (marker.kind === 'turned-on' ? [marker.family] : [])).sort(),
  };
  const inChain = Map.groupBy(
    entries.filter(({ kind }) => kind === 'rule'),
    ({ body }) => String(body.chain),
  );
  const chains = entries.filter(({ kind, marker }) => kind === 'chain' && marker === undefined);
  const rules = new Map(
    chains.map(({ body: { name } }) => [String(name), inChain.get(String(name))?.length ?? 0] as const),
  );
  return { observed, fingerprint, rules };
}

/**
 * Whether a table that has just been written is there with all of its sets, chains and as many rules as they have, so that what is listed may be
 * taken for what was written.
 */
export function isWhole({ sets, chains }: Ruleset, { observed, rules }: ListedTable): boolean {
  return (
    sets.length === observed.elements.size &&
    sets.every(({ name }) => observed.elements.has(name)) &&
    chains.length === rules.size &&
    chains.every((chain) => rules.get(chain.name) === chain.rules.length)
  );
}

/** The elements in what `nft -j list set inet TABLE SET` prints. @throws {UnreadableOutput} */
export function parseSetElements(text: string): readonly string[] {
  const sets = tableEntries(text).filter(({ kind }) => kind === 'set');
  return sets.flatMap(({ body }) => jsonList(TOOL, body.elem).map(elementText));
}

interface Entry {
  readonly kind: string;
  readonly body: JsonObject;
  readonly marker?: Marker | undefined;
}

function tableEntries(text: string): readonly Entry[] {
  const listing = jsonObject(TOOL, parseJson(TOOL, text));
  if (listing.nftables === undefined) throw new UnreadableOutput(TOOL, 'field nftables is missing');
  return jsonList(TOOL, listing.nftables).flatMap((entry) => {
    const [kind = '', body] = Object.entries(jsonObject(TOOL, entry))[0] ?? [];
    if (kind === 'metainfo' || kind === 'table' || !isObject(body)) return [];
    return [{ kind, body, marker: kind === 'chain' ? parseMarker(String(body.name)) : undefined }];
  });
}

function lasting(body: JsonObject): JsonObject {
  const { handle: _handle, elem: _elem, ...rest } = body;
  return rest;
}

/** An element in the spelling of a Ruleset. @throws {UnreadableOutput} for a kind of element that no set of ours has. */
export function elementText(element: unknown): string {
  if (typeof element === 'string' || typeof element === 'number') return String(element);
  const object = jsonObject(TOOL, element);
  if (Array.isArray(object.concat)) return object.concat.map(elementText).join(' . ');
  if (Array.isArray(object.range)) return object.range.map(elementText).join('-');
  if (isObject(object.prefix)) return `${object.prefix.addr}/${object.prefix.len}`;
  if (isObject(object.elem)) return elementText(object.elem.val);
  throw new UnreadableOutput(TOOL, 'an element of an unknown kind');
}

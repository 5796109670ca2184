import { isObject, type JsonObject, jsonList, jsonObject, parseJson } from '../json.ts';
import { elementText } from './parse.ts';

/** What a counter has counted. */
export interface Counted {
  readonly packets: number;
  readonly bytes: number;
}

/** An element that a rule has put into a set, and what its counter has counted since. */
export interface CountedElement extends Counted {
  readonly set: string;
  readonly element: string;
}

/** Sets of which rules fill one half at a time, so that the other one can be read at leisure. */
export interface HalvedSets {
  /** The set that says which: the second half while it has these elements, and the first while it has none. */
  readonly turned: string;
  readonly elements: readonly string[];
  readonly halves: readonly [readonly string[], readonly string[]];
}

const TOOL = 'nft -j list';

/**
 * How the name of a set begins that rules fill and that we empty as we read it. What happens to its elements is nobody's drift, and nft
 * announces each that is taken out.
 */
export const SEEN_PREFIX = 'seen_';

/** Reads `nft -j list set`. @throws {UnreadableOutput} */
export function parseCountedElements(text: string): readonly CountedElement[] {
  return entriesOf(text).flatMap(({ set }) =>
    isObject(set) ? jsonList(TOOL, set.elem).map((one) => counted(String(set.name), one)) : [],
  );
}

/** What the first counter in the rules of `nft -j list chain` has counted; nothing where there is none. @throws {UnreadableOutput} */
export function parseChainCounter(text: string): Counted {
  for (const { rule } of entriesOf(text)) {
    if (!isObject(rule)) continue;
    for (const statement of jsonList(TOOL, rule.expr)) {
      if (isObject(statement) && isObject(statement.counter)) return countedBy(statement.counter);
    }
  }
  return countedBy({});
}

function entriesOf(text: string): readonly JsonObject[] {
  return jsonList(TOOL, jsonObject(TOOL, parseJson(TOOL, text)).nftables).filter(isObject);
}

/** An element with a counter stands in an object of its own. */
function counted(set: string, element: unknown): CountedElement {
  const inner = isObject(element) && isObject(element.elem) ? element.elem.counter : undefined;
  return { set, element: elementText(element), ...countedBy(isObject(inner) ? inner : {}) };
}

function countedBy({ packets, bytes }: JsonObject): Counted {
  return { packets: count(packets), bytes: count(bytes) };
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

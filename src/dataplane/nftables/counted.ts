import { isObject, type JsonObject, jsonList, jsonObject, parseJson } from '../json.ts';
import { elementText } from './parse.ts';

/** An element that a rule has put into a set, and what its counter has counted since. */
export interface CountedElement {
  readonly set: string;
  readonly element: string;
  readonly packets: number;
  readonly bytes: number;
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

/** What the first counter in the rules of `nft -j list chain` has counted; zero where there is none. @throws {UnreadableOutput} */
export function parseChainCounter(text: string): number {
  for (const { rule } of entriesOf(text)) {
    if (!isObject(rule)) continue;
    for (const statement of jsonList(TOOL, rule.expr)) {
      if (isObject(statement) && isObject(statement.counter)) return count(statement.counter.packets);
    }
  }
  return 0;
}

function entriesOf(text: string): readonly JsonObject[] {
  return jsonList(TOOL, jsonObject(TOOL, parseJson(TOOL, text)).nftables).filter(isObject);
}

/** An element with a counter stands in an object of its own. */
function counted(set: string, element: unknown): CountedElement {
  const inner = isObject(element) && isObject(element.elem) ? element.elem.counter : undefined;
  const counter = isObject(inner) ? inner : {};
  return { set, element: elementText(element), packets: count(counter.packets), bytes: count(counter.bytes) };
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

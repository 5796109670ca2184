import { isObject, type JsonObject } from '../json.ts';
import { chainKey, type ForeignChain, type ForeignRule, type ForeignRuleset } from './foreign.ts';
import { type ImaginedPacket, type Maybe, matches } from './imagined-packet.ts';

/**
 * How a packet fares in a base chain of another program. `closed`: it is dropped whatever is not known of it. `unless-accepted`:
 * it is dropped where no rule accepts it whose conditions could not be judged. A rule that drops on such conditions counts for
 * nothing: service proxies and policy engines are full of them.
 */
export type Passage = 'open' | 'unless-accepted' | 'closed';

/** Jumps are followed this deep (the kernel's own limit) and this many rules are looked at; beyond, anything may happen. */
const MOST_DEPTH = 16;
const MOST_RULES = 5_000;

interface Walk {
  /** Where the packet ends when every condition that could not be judged is false. */
  readonly end: 'accept' | 'drop' | 'through';
  /** Whether a rule might accept it whose conditions could not be judged. */
  readonly mayPass: boolean;
}

type Verdict =
  | 'accept'
  | 'drop'
  | 'return'
  | 'unknown'
  | 'none'
  | { readonly target: string; readonly isGoto: boolean };

/** How the packet fares in the base chain. */
export function passage(ruleset: ForeignRuleset, chain: ForeignChain, packet: ImaginedPacket): Passage {
  const { end, mayPass } = new Walker(ruleset, chain, packet).walk(chain.name, 0);
  const isDropped = end === 'drop' || (end === 'through' && chain.policy === 'drop');
  if (!isDropped) return 'open';
  return mayPass ? 'unless-accepted' : 'closed';
}

/** One packet's way through one table. */
class Walker {
  readonly #ruleset: ForeignRuleset;
  readonly #table: Pick<ForeignChain, 'family' | 'table'>;
  readonly #packet: ImaginedPacket;
  #rules = 0;

  constructor(ruleset: ForeignRuleset, table: Pick<ForeignChain, 'family' | 'table'>, packet: ImaginedPacket) {
    this.#ruleset = ruleset;
    this.#table = table;
    this.#packet = packet;
  }

  walk(name: string, depth: number): Walk {
    const rules = this.#ruleset.rules.get(chainKey({ ...this.#table, name }));
    if (rules === undefined || depth > MOST_DEPTH) return { end: 'through', mayPass: true };
    let mayPass = false;
    for (const rule of rules) {
      this.#rules += 1;
      if (this.#rules > MOST_RULES) return { end: 'through', mayPass: true };
      const applies = this.#applies(rule);
      if (applies === false) continue;
      const { end, mayPass: passes } = this.#follow(verdictOf(rule), depth);
      mayPass ||= passes || (applies === undefined && end !== 'drop' && end !== 'on');
      if (applies === true && end !== 'on') return { end, mayPass };
    }
    return { end: 'through', mayPass };
  }

  /** `on`: to the next rule. */
  #follow(verdict: Verdict, depth: number): { readonly end: Walk['end'] | 'on'; readonly mayPass: boolean } {
    if (typeof verdict === 'object') {
      const { end, mayPass } = this.walk(verdict.target, depth + 1);
      return { end: end === 'through' && !verdict.isGoto ? 'on' : end, mayPass };
    }
    if (verdict === 'none' || verdict === 'unknown') return { end: 'on', mayPass: verdict === 'unknown' };
    return { end: verdict === 'return' ? 'through' : verdict, mayPass: false };
  }

  #applies(rule: ForeignRule): Maybe {
    const answers = rule.flatMap((statement) => condition(this.#packet, statement));
    if (answers.includes(false)) return false;
    return answers.includes(undefined) ? undefined : true;
  }
}

/** None where the statement sets no condition. */
function condition(packet: ImaginedPacket, statement: JsonObject): readonly Maybe[] {
  if (isObject(statement.match)) return [matches(packet, statement.match)];
  if (isObject(statement.xt)) return statement.xt.type === 'target' ? [] : [undefined];
  return CONDITIONS.some((name) => name in statement) ? [undefined] : [];
}

/** Statements after which a rule may end early; `xt` without a body is what nft 1.0.2 and older print for any extension. */
const CONDITIONS = ['limit', 'quota', 'ct count', 'set', 'xt', 'vmap'];

function verdictOf(rule: ForeignRule): Verdict {
  for (const statement of rule) {
    const verdict = plainVerdict(statement) ?? jumpVerdict(statement) ?? extensionVerdict(statement);
    if (verdict !== undefined) return verdict;
  }
  return 'none';
}

function plainVerdict(statement: JsonObject): Verdict | undefined {
  if ('accept' in statement) return 'accept';
  if ('drop' in statement || 'reject' in statement) return 'drop';
  if ('return' in statement) return 'return';
  return 'vmap' in statement || 'queue' in statement ? 'unknown' : undefined;
}

function jumpVerdict({ jump, goto }: JsonObject): Verdict | undefined {
  if (isObject(jump)) return { target: String(jump.target), isGoto: false };
  return isObject(goto) ? { target: String(goto.target), isGoto: true } : undefined;
}

/** REJECT is no verdict of nftables' own, and a target that is not known may accept. */
function extensionVerdict(statement: JsonObject): Verdict | undefined {
  if (!('xt' in statement)) return undefined;
  const { xt } = statement;
  if (!isObject(xt)) return 'unknown';
  if (xt.type !== 'target') return undefined;
  if (xt.name === 'REJECT' || xt.name === 'DROP') return 'drop';
  return NEUTRAL_TARGETS.has(String(xt.name)) ? 'none' : 'unknown';
}

const NEUTRAL_TARGETS = new Set(['LOG', 'NFLOG', 'MARK', 'CONNMARK', 'TCPMSS', 'CT', 'TRACE']);

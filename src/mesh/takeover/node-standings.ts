import type { Liveness } from '../../api/meshgatewaynode.ts';
import type { Trust } from './candidates.ts';

/**
 * Who is asked for a sign of life has this long to give one, in milliseconds, or some round trips to the API server, whichever is longer: its agent
 * must hear of it by a watch, and be heard by a write. A node that stands still for less is not taken for dead.
 */
export const ANSWER_MS = 250;
const ANSWER_ROUND_TRIPS = 4;
const MOST_ANSWER_MS = 3_000;

/** How often a doubt is told: at first, when half of that time is over, and when all of it is. */
const TELLINGS = 3;

/** An agent has this long instead, in milliseconds, for so long after it was first heard: it starts beside whatever else a roll of all agents starts. */
export const STARTING_ANSWER_MS = 1_000;
export const STARTING_MS = 10_000;

/** A node that others cannot reach and whose agent lives is asked anew so often, in milliseconds: it may die in the meantime. */
export const ASK_AGAIN_MS = 10_000;

/**
 * A node that was dead takes nobody over for this long, in milliseconds, where others can, and three times as long after each death more, for it
 * may go again; one that has lived for `STEADY_MS` since is as good as new.
 */
export const RETURNED_MS = 5_000;
const MOST_RETURNED_MS = 300_000;
const STEADY_MS = 600_000;

/** How one of the other nodes stands, times in monotonic milliseconds. */
interface Standing {
  told: Liveness | undefined;
  /** What this node's own question found last; undefined before the first. */
  answers: boolean | undefined;
  hasAnswered: boolean;
  /** How often this node has told its doubts, and when it began with the last of them. */
  asked: number;
  askedAt: number;
  /** When another agent than before was first heard there; undefined for one that was there before this node looked. */
  startedAt: number | undefined;
  /** Who waits for a sign of life. */
  readonly doubters: Set<string>;
  /** When this node read that it has told its doubt, while it is to tell it once more. */
  doubtedSince: number | undefined;
  isDead: boolean;
  returnedAt: number | undefined;
  deaths: number;
}

/** A node's report says another number than before of one that does not answer it. */
interface Doubt {
  readonly doubted: string;
  readonly asked: number;
  readonly askedBefore: number;
}

/**
 * Which of a gateway's nodes live, as one of them sees it. Everybody follows one rule, so that all come to the same end:
 *
 * A node that does not answer another one's question is *doubted*, which its asker tells in its report. An agent that reads there that it
 * is doubted answers in its own report. Its asker tells the doubt again when half of the time to answer is over, and for the last time when all of it is,
 * each time once it has read what it told before. Who reads the last and has read no sign of life since the first takes the node for *dead*. Everybody
 * reads what was written in the order in which it was, so all come to the same end, and an API server that holds a sign of life up holds up what would
 * overtake it. (That its asker reads in between lets a sign through that waits for an older write of its node.) A broken cable between two nodes kills neither,
 * and a node that the API server does not hear can kill nobody: its doubt is not told. (The idea is SWIM's refutation of
 * a suspicion, Das et al. 2002, with the API server in place of gossip.) Only doubts that appear under our eyes count: of an old one
 * nobody knows what came of it.
 */
export class NodeStandings {
  readonly #node: string;
  readonly #others = new Map<string, Standing>();
  /** By whom, and how often, this node was asked for a sign of life. */
  readonly #heard = new Map<string, number>();
  #answered = 0;
  #answerMs = ANSWER_MS;

  constructor(node: string) {
    this.#node = node;
  }

  /** Takes in how long it took until what this node wrote came back to it by its watch. */
  takeRoundTrip(ms: number): void {
    this.#answerMs = Math.min(MOST_ANSWER_MS, Math.max(ANSWER_MS, ANSWER_ROUND_TRIPS * ms));
  }

  /** Takes in what a node's report says now, or that it is gone; this node's own report too, by which its doubts count. */
  take(node: string, before: Liveness | undefined, after: Liveness | undefined, now: number): void {
    if (node !== this.#node) this.#takeSign(node, before, after, now);
    // Another agent counts from the beginning.
    const isSame = before?.publicKey === after?.publicKey;
    const known = isSame ? doubtsOf(before) : new Map<string, number>();
    const said = doubtsOf(after);
    if (!isSame || !said.has(this.#node)) this.#heard.delete(node);
    for (const [doubted, { doubters }] of this.#others) if (!isSame || !said.has(doubted)) doubters.delete(node);
    for (const [doubted, asked] of said) {
      const askedBefore = known.get(doubted) ?? 0;
      if (doubted === this.#node) this.#answer(node, asked);
      else if (before !== undefined && asked > askedBefore) this.#doubt(node, { doubted, asked, askedBefore }, now);
    }
  }

  /** Takes in whether a node has answered this one's question. */
  heard(node: string, answers: boolean, now: number): void {
    const other = this.#of(node);
    const hasFailed = other.answers !== false && !answers;
    other.answers = answers;
    if (answers) {
      other.hasAnswered = true;
      this.#lives(other, now);
    } else if (other.hasAnswered && (hasFailed || (!other.isDead && now >= other.askedAt + ASK_AGAIN_MS))) {
      other.asked = doubtOf(other.asked) * TELLINGS + 1;
      other.askedAt = now;
    }
  }

  /** Takes in that time has passed: tells doubts once more. */
  tick(now: number): void {
    for (const other of this.#others.values()) {
      if (now < this.#dueAt(other)) continue;
      other.doubtedSince = undefined;
      other.asked += 1;
    }
  }

  /** When the next doubt is to be told once more; undefined when none is. */
  get nextTick(): number | undefined {
    const due = Math.min(...[...this.#others.values()].map((other) => this.#dueAt(other)));
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  /** The nodes that are dead. */
  get dead(): readonly string[] {
    return [...this.#others].flatMap(([node, { isDead }]) => (isDead ? [node] : []));
  }

  isDead(node: string): boolean {
    return this.#others.get(node)?.isDead === true;
  }

  /** How a node is relied on: not while it is dead or doubted, and not as on others soon after that or while it does not answer. */
  trustIn(node: string, now: number): Trust {
    const other = this.#others.get(node);
    if (other?.told === undefined || other.isDead || other.doubters.size > 0) return 'none';
    if (other.returnedAt !== undefined && now < other.returnedAt + distrustMs(other.deaths)) return 'living';
    return (other.answers ?? !this.#isUnreachable(node)) ? 'steady' : 'living';
  }

  /** What this node's report is to say of the others, and of itself. */
  report(): Pick<Liveness, 'unreachable' | 'answered'> {
    const unreachable = [...this.#others].flatMap(([node, { told, answers, asked }]) =>
      told !== undefined && answers === false ? [{ node, asked }] : [],
    );
    return {
      unreachable: unreachable.sort((one, other) => (one.node < other.node ? -1 : 1)),
      answered: this.#answered,
    };
  }

  #takeSign(node: string, before: Liveness | undefined, after: Liveness | undefined, now: number): void {
    const other = this.#of(node);
    other.told = after;
    if (after === undefined) {
      this.#others.delete(node);
      return;
    }
    const isNew = before?.answered !== after.answered || before.publicKey !== after.publicKey;
    if (before === undefined || !isNew) return;
    if (before.publicKey !== after.publicKey) other.startedAt = now;
    this.#lives(other, now);
  }

  /** When this node is to tell its doubt once more; never, where it is not. */
  #dueAt({ doubtedSince, startedAt }: Standing): number {
    if (doubtedSince === undefined) return Number.POSITIVE_INFINITY;
    const isStarting = startedAt !== undefined && doubtedSince < startedAt + STARTING_MS;
    const answerMs = isStarting ? Math.max(STARTING_ANSWER_MS, this.#answerMs) : this.#answerMs;
    return doubtedSince + answerMs / (TELLINGS - 1);
  }

  #answer(asker: string, asked: number): void {
    if (asked > (this.#heard.get(asker) ?? 0)) this.#answered += 1;
    this.#heard.set(asker, asked);
  }

  #doubt(doubter: string, { doubted, asked, askedBefore }: Doubt, now: number): void {
    const other = this.#of(doubted);
    if (other.isDead) return;
    if (doubtOf(asked) !== doubtOf(askedBefore)) other.doubters.add(doubter);
    // It has given a sign of life since.
    if (!other.doubters.has(doubter)) return;
    if (isLastTelling(asked)) this.#dies(other, now);
    else if (doubter === this.#node) other.doubtedSince = now;
  }

  #dies(other: Standing, now: number): void {
    const wasSteady = other.returnedAt !== undefined && now >= other.returnedAt + STEADY_MS;
    other.deaths = wasSteady ? 1 : other.deaths + 1;
    this.#settle(other);
    other.isDead = true;
  }

  #lives(other: Standing, now: number): void {
    this.#settle(other);
    if (other.isDead) other.returnedAt = now;
    other.isDead = false;
  }

  /** Nobody waits for a sign of life any more. */
  #settle(other: Standing): void {
    other.doubters.clear();
    other.doubtedSince = undefined;
  }

  #isUnreachable(node: string): boolean {
    return [...this.#others.values()].some(
      ({ told, isDead }) => !isDead && told?.unreachable.some((entry) => entry.node === node),
    );
  }

  #of(node: string): Standing {
    const known = this.#others.get(node);
    if (known !== undefined) return known;
    const standing: Standing = {
      told: undefined,
      answers: undefined,
      hasAnswered: false,
      asked: 0,
      askedAt: 0,
      startedAt: undefined,
      doubters: new Set(),
      doubtedSince: undefined,
      isDead: false,
      returnedAt: undefined,
      deaths: 0,
    };
    this.#others.set(node, standing);
    return standing;
  }
}

/** By node what a report asks it for a sign of life by. */
function doubtsOf(liveness: Liveness | undefined): Map<string, number> {
  return new Map(liveness?.unreachable.map(({ node, asked }) => [node, asked]));
}

/** Which doubt, counted from one, a telling is of: what was told at once with what came before it, or was not read, is not taken for another doubt's. */
function doubtOf(asked: number): number {
  return Math.ceil(asked / TELLINGS);
}

function isLastTelling(asked: number): boolean {
  return asked % TELLINGS === 0;
}

function distrustMs(deaths: number): number {
  return Math.min(MOST_RETURNED_MS, RETURNED_MS * 3 ** Math.max(0, deaths - 1));
}

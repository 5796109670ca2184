/** What a forwarder must understand of a query (RFC 1035, section 4.1). */
export interface Query {
  readonly id: number;
  /** Of the one name that it asks for; in latin1, with whatever is in them. */
  readonly labels: readonly string[];
  readonly type: number;
  /** Where the question ends. */
  readonly end: number;
}

/** A query; `undefined` for what deserves no answer; a code for what is answered by that error. */
export type ReadQuery = { readonly query: Query } | { readonly rcode: number } | undefined;

export const RCODE = { formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;

const HEADER = 12;
const MAX_NAME = 255;
const FLAG_RESPONSE = 0x80;
const FLAG_TRUNCATED = 0x02;

/** Reads a query. Never throws, whatever it is given. */
export function readQuery(message: Uint8Array): ReadQuery {
  if (message.length < HEADER || (byte(message, 2) & FLAG_RESPONSE) !== 0) return undefined;
  if (((byte(message, 2) >> 3) & 0x0f) !== 0) return { rcode: RCODE.notImp };
  const question = word(message, 4) === 1 ? readQuestion(message) : undefined;
  return question === undefined ? { rcode: RCODE.formErr } : { query: { id: word(message, 0), ...question } };
}

/** Whether this is the answer to a message that was sent: same id, same question (RFC 5452, section 9.1). Never throws. */
export function isAnswerTo(sent: Uint8Array, message: Uint8Array): boolean {
  if (message.length < HEADER || sent.length < HEADER) return false;
  if (word(message, 0) !== word(sent, 0) || (byte(message, 2) & FLAG_RESPONSE) === 0) return false;
  const asked = readQuestion(sent);
  // An error such as FORMERR may leave the question out.
  if (word(message, 4) === 0) return rcodeOf(message) !== 0;
  const answered = word(message, 4) === 1 ? readQuestion(message) : undefined;
  if (asked === undefined || answered === undefined || asked.end !== answered.end) return false;
  return lowerCase(sent.subarray(HEADER, asked.end)) === lowerCase(message.subarray(HEADER, asked.end));
}

/** The code of an answer: 0 fine, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
export function rcodeOf(message: Uint8Array): number {
  return byte(message, 3) & 0x0f;
}

/** Whether there is nothing in an answer: no such name, no record of that type, an error. */
export function isEmpty(message: Uint8Array): boolean {
  return word(message, 6) === 0 && !isTruncated(message);
}

/**
 * Whether an empty answer says that the name does not even end in a top-level domain: whoever is in charge of "no such name" (the owner of
 * the SOA record, RFC 2308, section 2.1) is the root.
 */
export function isOutsideOfRoot(message: Uint8Array): boolean {
  const end = readQuestion(message)?.end;
  if (end === undefined || rcodeOf(message) !== RCODE.nxDomain) return false;
  const hasAuthority = word(message, 6) === 0 && word(message, 8) > 0;
  // Who says nothing of it leaves it open.
  if (!hasAuthority) return true;
  const isPointer = byte(message, end) >= 0xc0;
  return byte(message, isPointer ? word(message, end) & 0x3fff : end) === 0;
}

/** Whether an answer was too long for a datagram, so that its client asks again by TCP. */
export function isTruncated(message: Uint8Array): boolean {
  return (byte(message, 2) & FLAG_TRUNCATED) !== 0;
}

/** The same message under another id. */
export function withId(message: Uint8Array, id: number): Uint8Array {
  const copy = Uint8Array.from(message);
  copy[0] = id >> 8;
  copy[1] = id & 0xff;
  return copy;
}

/** The error as the answer to a query of at least a header; its question comes back where it can be read. */
export function errorAnswer(message: Uint8Array, rcode: number): Uint8Array {
  const question = word(message, 4) === 1 ? readQuestion(message) : undefined;
  const answer = Uint8Array.from(message.subarray(0, question?.end ?? HEADER));
  // QR, the opcode and RD as asked; RA, the code.
  answer[2] = FLAG_RESPONSE | (byte(message, 2) & 0x79);
  answer[3] = 0x80 | rcode;
  answer.set([0, question === undefined ? 0 : 1, 0, 0, 0, 0, 0, 0], 4);
  return answer;
}

interface Question {
  readonly labels: readonly string[];
  readonly type: number;
  readonly end: number;
}

/** The question; the names in it are never compressed, as nothing comes before them. */
function readQuestion(message: Uint8Array): Question | undefined {
  const labels: string[] = [];
  let offset = HEADER;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length >= 0x40) return undefined;
    offset += 1 + length;
    if (offset > message.length || offset - HEADER > MAX_NAME) return undefined;
    if (length === 0) break;
    labels.push(latin1(message.subarray(offset - length, offset)));
  }
  return offset + 4 > message.length ? undefined : { labels, type: word(message, offset), end: offset + 4 };
}

function byte(message: Uint8Array, offset: number): number {
  return message[offset] ?? 0;
}

function word(message: Uint8Array, offset: number): number {
  return (byte(message, offset) << 8) | byte(message, offset + 1);
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function lowerCase(bytes: Uint8Array): string {
  return latin1(bytes).toLowerCase();
}

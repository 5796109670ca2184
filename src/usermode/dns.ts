import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';

export type RecordType = 'A' | 'AAAA';

/** One question, as it goes out and must come back. */
export interface DnsQuestion {
  readonly id: number;
  readonly name: string;
  readonly type: RecordType;
}

/** What a server said: a code (RFC 1035, section 4.1.1: 0 fine, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED) and the addresses of the asked type. */
export interface DnsAnswer {
  readonly rcode: number;
  readonly addresses: readonly Uint8Array[];
}

const TYPE_NUMBER = { A: 1, AAAA: 28 } as const;
const ADDRESS_LENGTH = { A: 4, AAAA: 16 } as const;
const CLASS_IN = 1;
const HEADER_LENGTH = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_RECURSE = 0x0100;
const MAX_NAME = 255;
const MAX_RECORDS = 64;

/** The query for one name. Refuses a name that DNS cannot carry. */
export function buildQuery(question: DnsQuestion): Parsed<Uint8Array> {
  const name = encodeName(question.name);
  if (!name.ok) return name;
  const header = new Uint8Array(HEADER_LENGTH);
  const view = viewOf(header);
  view.setUint16(0, question.id);
  view.setUint16(2, FLAG_RECURSE);
  view.setUint16(4, 1);
  return parsed(concat(header, name.value, Uint8Array.of(0, TYPE_NUMBER[question.type], 0, CLASS_IN)));
}

/** The answer to exactly this question; anything else, and anything malformed, is refused. */
export function parseAnswer(message: Uint8Array, question: DnsQuestion): Parsed<DnsAnswer> {
  if (message.length < HEADER_LENGTH) return refused('a DNS message of under 12 bytes');
  const view = viewOf(message);
  if (view.getUint16(0) !== question.id || (view.getUint16(2) & FLAG_RESPONSE) === 0)
    return refused('not the answer to our query');
  const rcode = view.getUint16(2) & 0x0f;
  const asked = questionEnd(message, question);
  // Servers may leave the question out of an error such as FORMERR.
  if (asked === undefined)
    return rcode === 0 ? refused('an answer to another question') : parsed({ rcode, addresses: [] });
  const records = Math.min(view.getUint16(6), MAX_RECORDS);
  const addresses = addressesIn(message, asked, records, question.type);
  return addresses === undefined ? refused('a DNS answer that ends too soon') : parsed({ rcode, addresses });
}

function encodeName(name: string): Parsed<Uint8Array> {
  const labels = name.replace(/\.$/, '').split('.');
  const isValid = labels.every((label) => /^[\x21-\x7e]{1,63}$/.test(label));
  const parts = labels.map((label) => concat(Uint8Array.of(label.length), Buffer.from(label, 'latin1')));
  const bytes = concat(...parts, Uint8Array.of(0));
  return isValid && bytes.length <= MAX_NAME ? parsed(bytes) : refused(`"${name}" is not a DNS name`);
}

/** Where the records begin, if the message holds our question alone; names are compared without regard to case. */
function questionEnd(message: Uint8Array, question: DnsQuestion): number | undefined {
  const name = encodeName(question.name);
  if (!name.ok || viewOf(message).getUint16(4) !== 1) return undefined;
  const end = HEADER_LENGTH + name.value.length;
  if (message.length < end + 4) return undefined;
  const view = viewOf(message);
  if (view.getUint16(end) !== TYPE_NUMBER[question.type] || view.getUint16(end + 2) !== CLASS_IN) return undefined;
  const isSame = lowerCase(message.subarray(HEADER_LENGTH, end)) === lowerCase(name.value);
  return isSame ? end + 4 : undefined;
}

function lowerCase(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').toLowerCase();
}

function addressesIn(
  message: Uint8Array,
  start: number,
  records: number,
  type: RecordType,
): readonly Uint8Array[] | undefined {
  const view = viewOf(message);
  const addresses: Uint8Array[] = [];
  let offset = start;
  for (let count = 0; count < records; count++) {
    const fixed = nameEnd(message, offset);
    if (fixed === undefined || fixed + 10 > message.length) return undefined;
    const length = view.getUint16(fixed + 8);
    offset = fixed + 10 + length;
    if (offset > message.length) return undefined;
    if (view.getUint16(fixed) === TYPE_NUMBER[type] && length === ADDRESS_LENGTH[type])
      addresses.push(message.slice(fixed + 10, offset));
  }
  return addresses;
}

/** Where a name's bytes end. A compression pointer ends it and is never followed, so none can loop. */
function nameEnd(message: Uint8Array, start: number): number | undefined {
  let offset = start;
  while (offset < message.length) {
    const length = message[offset] ?? 0;
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2;
    if (length >= 0x40) return undefined;
    offset += length + 1;
  }
  return undefined;
}

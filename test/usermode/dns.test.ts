import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../../src/usermode/bytes.ts';
import { buildQuery, type DnsQuestion, parseAnswer } from '../../src/usermode/dns.ts';
import { hex, hexOf, right } from './builders.ts';

const question: DnsQuestion = { id: 0x1234, name: 'kubernetes.default.svc.cluster.local', type: 'A' };
const query = right(buildQuery(question));

/** The answer of a server: our question with another header, then records. */
function answer(flags: number, counts: readonly [answers: number], ...records: readonly Uint8Array[]): Uint8Array {
  const message = concat(query, ...records);
  const view = new DataView(message.buffer);
  view.setUint16(2, flags);
  view.setUint16(6, counts[0]);
  return message;
}

const A = hex('c00c 0001 0001 0000001e 0004 0a600001');
const CNAME = hex('c00c 0005 0001 0000001e 0004 01 61 c00c');

describe('a DNS query', () => {
  it('is what RFC 1035 says', () => {
    expect(hexOf(right(buildQuery({ id: 1, name: 'a.bc.', type: 'AAAA' })))).toBe(
      '0001010000010000000000000161026263 00 001c 0001'.replace(/\s/g, ''),
    );
  });

  it.each(['', '.', 'a..b', `${'a'.repeat(64)}.b`, 'ä.de', 'a b', `${'a.'.repeat(130)}b`])('refuses "%s"', (name) => {
    expect(buildQuery({ ...question, name }).ok).toBe(false);
  });
});

describe('a DNS answer', () => {
  it('has the addresses of the asked type, behind any aliases', () => {
    expect(right(parseAnswer(answer(0x8180, [2], CNAME, A), question))).toEqual({
      rcode: 0,
      addresses: [hex('0a600001')],
    });
    const other = hex('c00c 001c 0001 0000001e 0010 20010db8000000000000000000000001');
    expect(right(parseAnswer(answer(0x8180, [1], other), question)).addresses).toEqual([]);
  });

  it.each([2, 3, 5])('tells the code %i', (rcode) => {
    expect(right(parseAnswer(answer(0x8180 | rcode, [0]), question))).toEqual({ rcode, addresses: [] });
  });

  it('may leave the question out of an error, as some servers do', () => {
    expect(right(parseAnswer(hex('1234 8181 0000 0000 0000 0000'), question)).rcode).toBe(1);
    expect(parseAnswer(hex('1234 8180 0000 0000 0000 0000'), question).ok).toBe(false);
  });

  it('is refused when it answers another question', () => {
    expect(parseAnswer(answer(0x8180, [1], A), { ...question, id: 1 }).ok).toBe(false);
    expect(parseAnswer(answer(0x8180, [1], A), { ...question, type: 'AAAA' }).ok).toBe(false);
    expect(parseAnswer(answer(0x8180, [1], A), { ...question, name: 'other.local' }).ok).toBe(false);
    expect(parseAnswer(query, question).ok).toBe(false);
  });

  it('may write the name in other letters', () => {
    const upper = { ...question, name: question.name.toUpperCase() };
    expect(right(parseAnswer(answer(0x8180, [1], A), upper)).addresses).toHaveLength(1);
  });

  it('is refused when it promises more than it holds', () => {
    expect(parseAnswer(answer(0x8180, [2], A), question).ok).toBe(false);
    for (let cut = 1; cut < A.length; cut++) {
      expect(parseAnswer(answer(0x8180, [1], A.subarray(0, cut)), question).ok).toBe(false);
    }
  });

  it('cannot make the parser loop with a pointer to itself', () => {
    const loop = new Uint8Array(query.length + 2);
    loop.set(answer(0x8180, [0xffff]));
    loop.set([0xc0, query.length], query.length);
    expect(parseAnswer(loop, question).ok).toBe(false);
  });

  it('is parsed or refused, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 300 }), (rest, count) => {
        const result = parseAnswer(answer(0x8180, [count], rest), question);
        expect(result.ok || result.problem.length > 0).toBe(true);
        expect(parseAnswer(rest, question).ok).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });
});

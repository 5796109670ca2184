import { describe, expect, test } from 'vitest';
import { answerTo, type Question, type Told } from '../../src/agent/configuration-answer.ts';

const AT = '10.213.0.1:51840';
const QUESTION: Question = {
  method: 'GET',
  path: '/',
  host: AT,
  ifNoneMatch: undefined,
  from: '10.213.0.20',
  at: AT,
};
const TEXTS: Readonly<Record<string, Told>> = {
  '10.213.0.20': { text: 'ada' },
  '10.213.0.21': { text: 'bob' },
  'fd5a::20': { text: 'ada' },
  '10.213.0.30': { missing: 'gateway' },
};

function answer(question: Partial<Question>, texts = TEXTS) {
  return answerTo({ ...QUESTION, ...question }, (device) => texts[device] ?? { missing: 'device' });
}

describe('a device that asks', () => {
  test('is known by the address it asks from', () => {
    expect(answer({})).toMatchObject({ status: 200, body: 'ada' });
    expect(answer({ from: '10.213.0.21' })).toMatchObject({ status: 200, body: 'bob' });
    expect(answer({ from: 'fd5a:0::20' })).toMatchObject({ status: 200, body: 'ada' });
  });

  test('is told nothing new while nothing is new', () => {
    const { etag = '' } = answer({}).headers;
    for (const ifNoneMatch of [etag, `W/${etag}`, `"other", ${etag}`, '*'])
      expect(answer({ ifNoneMatch })).toMatchObject({ status: 304, body: '', headers: { etag } });
    const changed = { ...TEXTS, '10.213.0.20': { text: 'ada, changed' } };
    expect(answer({ ifNoneMatch: etag }, changed)).toMatchObject({ status: 200, body: 'ada, changed' });
    expect(answer({ from: '10.213.0.21', ifNoneMatch: etag })).toMatchObject({ status: 200, body: 'bob' });
  });

  test.each([
    ['from an address that nobody has', { from: '10.213.0.99' }, 403, /10\.213\.0\.99/],
    ['from what is no address of a mesh', { from: 'fe80::1%eth0' }, 403, /fe80::1%eth0/],
    ['while its gateways have no endpoint', { from: '10.213.0.30' }, 503, /keep the configuration/],
    ['for another path', { path: '/metrics' }, 404, /nothing here but \//],
    ['for the path of a proxy', { path: 'http://example.com/' }, 404, /nothing here/],
    ['to change something', { method: 'POST' }, 405, /GET/],
    ['by a name that leads here', { host: 'evil.example.com:51840' }, 421, /http:\/\/10\.213\.0\.1:51840\//],
    ['by no name', { host: undefined }, 421, /by this name/],
  ])('%s is refused with a sentence', (_how, question, status, sentence) => {
    const refusal = answer(question);
    expect(refusal.status).toBe(status);
    expect(refusal.body).toMatch(sentence);
  });

  test('learns which method there is', () => {
    expect(answer({ method: 'DELETE' }).headers.allow).toBe('GET');
  });
});

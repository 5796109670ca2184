import { describe, expect, test } from 'vitest';
import { parseRoutes } from '../../../src/dataplane/routes/parse.ts';
import { UnreadableOutput } from '../../../src/dataplane/unreadable.ts';

const V4 = `[{"dst":"10.213.0.0/16","dev":"wg-default","scope":"link","flags":["linkdown"]},
  {"dst":"10.214.0.1","dev":"wg-default","scope":"link","flags":[]},
  {"dst":"10.215.0.0/16","dev":"wg-other","scope":"link","flags":[]},
  {"dst":"default","dev":"wg-default","flags":[]},
  {"type":"multicast","dst":"nonsense","dev":"wg-default","flags":[]}]`;
const V6 = `[{"dst":"fd5a:213::/64","dev":"wg-default","metric":1024,"flags":[],"pref":"medium"},
  {"dst":"default","dev":"wg-default","metric":1024,"flags":[],"pref":"medium"}]`;

describe('ip -json route', () => {
  test.each([
    [4, V4, ['10.213.0.0/16', '10.214.0.1/32', '0.0.0.0/0']],
    [6, V6, ['fd5a:213::/64', '::/0']],
    [4, '[]', []],
    [6, '\n', []],
  ] as const)('tells the IPv%i routes of a device', (family, text, destinations) => {
    expect(parseRoutes(text, family, 'wg-default')).toEqual(
      destinations.map((destination) => ({ destination, device: 'wg-default' })),
    );
  });

  test.each(['{}', 'Error', '[1]', 'null'])('is refused when it is %s', (text) => {
    expect(() => parseRoutes(text, 4, 'wg-default')).toThrow(UnreadableOutput);
  });
});

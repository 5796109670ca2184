import { describe, expect, test } from 'vitest';
import type { Flow } from '../../src/dataplane/nftables/ruleset.ts';
import { endFlows, forgetCalls, forgetFlows, openFlows, trackedBySource } from '../../src/host/conntrack.ts';
import { DialledReader } from '../../src/host/conntrack-entries.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aFlow } from '../support/grants.ts';
import { ScriptedCommands } from '../support/scripted-commands.ts';

const NOTHING = { exitCode: 1, stderr: 'conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.' };
const GONE = {
  exitCode: 1,
  stderr: "conntrack v1.4.7 (conntrack-tools): Operation failed: such conntrack doesn't exist",
};
const LISTED = `tcp      6 431998 ESTABLISHED src=10.213.0.3 dst=10.96.0.20 sport=40000 dport=80 src=10.1.0.2 dst=10.1.0.1 sport=8080 dport=40000 [ASSURED] mark=0 use=1
udp      17 29 src=10.213.0.250 dst=10.96.0.10 sport=1 dport=53 [UNREPLIED] src=10.1.0.2 dst=10.1.0.1 sport=5353 dport=1 mark=0 use=1
`;

const dialledFlows = (text: string) => {
  const reader = new DialledReader();
  return text.split('\n').flatMap((line) => reader.read(line) ?? []);
};
const sources = (count: number) => Array.from({ length: count }, (_, index) => `10.213.0.${index}/32` as Cidr);

test('what went to an endpoint and came from there is forgotten, whoever began', async () => {
  const commands = new ScriptedCommands(() => NOTHING);
  await forgetCalls(commands, ['203.0.113.2:40000', '[2001:db8::2]:40000'] as Endpoint[], [51840]);
  expect(commands.asked).toEqual([
    'conntrack -D -f ipv4 -p udp -d 203.0.113.2 --orig-port-src 51840 --orig-port-dst 40000',
    'conntrack -D -f ipv4 -p udp -s 203.0.113.2 --orig-port-src 40000 --reply-port-src 51840',
    'conntrack -D -f ipv6 -p udp -d 2001:db8::2 --orig-port-src 51840 --orig-port-dst 40000',
    'conntrack -D -f ipv6 -p udp -s 2001:db8::2 --orig-port-src 40000 --reply-port-src 51840',
  ]);
});

describe('connections of a peer that is gone', () => {
  test('are ended by one command per address', async () => {
    const commands = new ScriptedCommands(() => '');
    await forgetFlows(commands, ['10.213.0.16/32', 'fd5a:213::16/128'] as Cidr[]);
    expect(commands.asked).toEqual([
      'conntrack -D -f ipv4 -s 10.213.0.16/32',
      'conntrack -D -f ipv6 -s fd5a:213::16/128',
    ]);
  });

  test('may be none', async () => {
    await forgetFlows(new ScriptedCommands(() => NOTHING), sources(1));
  });

  test('that cannot be ended are an error', async () => {
    const commands = new ScriptedCommands(() => ({ exitCode: 1, stderr: 'Operation failed: Operation not permitted' }));
    await expect(forgetFlows(commands, sources(1))).rejects.toThrow('not permitted');
  });

  test('are ended to the last one though somebody else ends one of them in between', async () => {
    const answers = [GONE, GONE, ''];
    const commands = new ScriptedCommands(() => answers.shift() ?? NOTHING);
    await forgetFlows(commands, sources(1));
    expect(commands.asked).toEqual(Array(3).fill('conntrack -D -f ipv4 -s 10.213.0.0/32'));
  });

  test('that others keep ending meanwhile are an error in the end', async () => {
    await expect(forgetFlows(new ScriptedCommands(() => GONE), sources(1))).rejects.toThrow("doesn't exist");
  });

  test('of many peers cost one look, and a command for those that have some', async () => {
    const commands = new ScriptedCommands((line) => (line.includes('-L') ? LISTED : ''));
    await forgetFlows(commands, [...sources(100), '10.214.0.0/24' as Cidr]);
    expect(commands.asked).toEqual([
      'conntrack -L -f ipv4 -s 10.213.0.0/25',
      'conntrack -D -f ipv4 -s 10.213.0.3/32',
      'conntrack -D -f ipv4 -s 10.214.0.0/24',
    ]);
  });
});

describe('connections that are no longer granted', () => {
  const flow = (source: string, destination = '10.96.0.20/32', port = 80): Flow => ({
    source: source as IpAddress,
    destination: destination as Cidr,
    open: port === 0 ? undefined : { protocol: 'tcp', port },
  });

  test('are ended by what was dialled, a command each', async () => {
    const commands = new ScriptedCommands(() => '');
    await endFlows(commands, [flow('10.213.0.3'), flow('fd5a:213::16', 'fd5a:50::/64', 0)], []);
    expect(commands.asked).toEqual([
      'conntrack -D -f ipv4 -p tcp -s 10.213.0.3 -d 10.96.0.20/32 --dport 80',
      'conntrack -D -f ipv6 -s fd5a:213::16 -d fd5a:50::/64',
    ]);
  });

  test('may be none', async () => {
    await endFlows(new ScriptedCommands(() => NOTHING), [flow('10.213.0.3')], []);
  });

  test('of many cost one look, and a command for those that are there', async () => {
    const commands = new ScriptedCommands((line) => (line.includes('-L') ? LISTED : ''));
    const many = Array.from({ length: 100 }, (_, index) => flow(`10.213.0.${index}`));
    await endFlows(commands, [...many, flow('10.213.0.3', '10.96.0.20/32', 443)], []);
    expect(commands.asked).toEqual([
      'conntrack -L -f ipv4 -s 10.213.0.0/25',
      'conntrack -D -f ipv4 -p tcp -s 10.213.0.3 -d 10.96.0.20/32 --dport 80',
    ]);
  });

  test('of a whole mesh cost a command, and no look', async () => {
    const commands = new ScriptedCommands(() => '');
    await endFlows(commands, [{ ...flow('10.213.0.3'), source: '10.213.0.0/16' as Cidr }], []);
    expect(commands.asked).toEqual(['conntrack -D -f ipv4 -p tcp -s 10.213.0.0/16 -d 10.96.0.20/32 --dport 80']);
  });

  const merged = (port: number): Flow => ({ ...flow('', '10.96.0.20/32', port), source: '10.213.0.0/16' as Cidr });

  test('of a whole mesh that are many cost one look, and a command for those that are there', async () => {
    const foreign = LISTED.replace('src=10.213.0.3', 'src=10.214.0.3').replace('dport=80', 'dport=81');
    const commands = new ScriptedCommands((line) => (line.includes('-L') ? LISTED + foreign : ''));
    const many = Array.from({ length: 2500 }, (_, index) => merged(index + 1));
    await endFlows(commands, [...many, flow('10.213.0.3'), flow('10.213.0.4')], []);
    expect(commands.asked).toEqual([
      'conntrack -L -f ipv4 -s 10.213.0.0/16',
      'conntrack -D -f ipv4 -p tcp -s 10.213.0.0/16 -d 10.96.0.20/32 --dport 80',
    ]);
  });

  test('of a whole mesh to a range are looked for in the range', async () => {
    const commands = new ScriptedCommands((line) => (line.includes('-L') ? LISTED : ''));
    const ranges = Array.from({ length: 100 }, (_, index) => ({
      ...merged(80),
      destination: `10.${index}.0.0/16` as Cidr,
    }));
    await endFlows(commands, ranges, []);
    expect(commands.asked).toEqual([
      'conntrack -L -f ipv4 -s 10.213.0.0/16',
      'conntrack -D -f ipv4 -p tcp -s 10.213.0.0/16 -d 10.96.0.0/16 --dport 80',
    ]);
  });

  test('of devices all over a family are looked for everywhere', async () => {
    const commands = new ScriptedCommands(() => '');
    await endFlows(commands, [flow('10.213.0.3'), flow('192.168.7.1')], [flow('10.213.0.3', '10.50.0.0/16', 0)]);
    expect(commands.asked).toEqual(['conntrack -L -f ipv4']);
  });

  test('leave those alone that go on, of a range that ends', async () => {
    const commands = new ScriptedCommands((line) =>
      line.includes('-L') ? `${LISTED}${LISTED.replaceAll('=80 ', '=443 ')}` : '',
    );
    await endFlows(commands, [flow('10.213.0.3', '10.96.0.0/16', 0)], [flow('10.213.0.3', '10.96.0.0/24', 443)]);
    expect(commands.asked).toEqual([
      'conntrack -L -f ipv4 -s 10.213.0.3/32',
      'conntrack -D -f ipv4 -p tcp -s 10.213.0.3 -d 10.96.0.20/32 --dport 80',
    ]);
  });

  test('are listed in whatever spelling, with ports or without', () => {
    const six =
      'tcp 6 1 src=fd5a:213:0:0:0:0:0:16 dst=fd5a:96:0:0:0:0:0:20 sport=1 dport=80 src=fd5a:1::2 dst=fd5a:1::1';
    const echo =
      'icmp 1 29 src=10.213.0.3 dst=10.50.0.1 type=8 code=0 id=7 src=10.50.0.1 dst=10.1.0.1 type=0 code=0 id=7';
    const listed = dialledFlows(`${LISTED}nonsense\n${six}\n${echo}\n`);
    expect(
      listed.map(({ source, destination, open }) => `${open?.protocol} ${source} ${destination} ${open?.port}`),
    ).toEqual([
      'tcp 10.213.0.3 10.96.0.20/32 80',
      'udp 10.213.0.250 10.96.0.10/32 53',
      'tcp fd5a:213::16 fd5a:96::20/128 80',
      'icmp 10.213.0.3 10.50.0.1/32 undefined',
    ]);
  });
});

test('what is open is looked for by the addresses of the mesh, and each device, address and port comes once', async () => {
  const commands = new ScriptedCommands((line) =>
    line.includes('ipv4') ? LISTED + LISTED.replaceAll('40000', '40001') : '',
  );
  const found = await openFlows(commands, ['10.213.0.0/16', 'fd5a:213::/64'] as Cidr[]);
  expect(commands.asked).toEqual(['conntrack -L -f ipv4 -s 10.213.0.0/16', 'conntrack -L -f ipv6 -s fd5a:213::/64']);
  expect(found).toEqual([aFlow('10.213.0.3 tcp 10.96.0.20 80'), aFlow('10.213.0.250 udp 10.96.0.10 53')]);
});

test('what is spoken without a name or ports is ended by its number, and nothing else', async () => {
  const esp = 'unknown  50 599 src=10.213.0.3 dst=10.50.0.1 src=10.50.0.1 dst=10.1.0.1 mark=0 use=1\n';
  const commands = new ScriptedCommands(() => '');
  await endFlows(commands, dialledFlows(esp), []);
  expect(commands.asked).toEqual(['conntrack -D -f ipv4 -p 50 -s 10.213.0.3 -d 10.50.0.1/32']);
});

describe('a table of 130,000 entries', () => {
  const device = (index: number) => `10.213.0.${(index % 8) + 1}`;
  const target = (index: number) => `10.96.${(index >> 3) >> 8}.${(index >> 3) & 255}`;
  const all = Array.from(
    { length: 130_000 },
    (_, index) =>
      `tcp 6 99 ESTABLISHED src=${device(index)} dst=${target(index)} sport=1 dport=80 src=10.96.0.1 dst=10.1.0.1\n`,
  ).join('');

  test('to as many targets is read to its end', async () => {
    const commands = new ScriptedCommands(() => all);
    const open = await openFlows(commands, ['10.213.0.0/16'] as Cidr[]);
    expect(open.length).toBe(130_000);
    expect(open.at(-1)).toEqual(aFlow(`${device(129_999)} tcp ${target(129_999)} 80`));
  });

  test('is looked through once for thousands of ends, and what goes on is left alone', async () => {
    const commands = new ScriptedCommands((line) => (line.includes('-L') ? all : ''));
    const ends = Array.from({ length: 16_000 }, (_, index) => aFlow(`${device(index)} tcp ${target(index)} 80`));
    await endFlows(commands, ends, ends.slice(20));
    const [look, ...deleted] = commands.asked;
    expect(look).toBe('conntrack -L -f ipv4 -s 10.213.0.0/28');
    expect(deleted.length).toBe(20);
  });
});

test.each<[string, (commands: ScriptedCommands) => Promise<unknown>]>([
  ['who is gone', (commands) => forgetFlows(commands, sources(9))],
  [
    'what ends',
    (commands) => endFlows(commands, [aFlow('10.213.0.1 tcp 10.96.0.20 80')], [aFlow('10.213.0.1 tcp 10.96.0.20 81')]),
  ],
  ['what is open', (commands) => openFlows(commands, sources(1))],
  ['who has how much', (commands) => trackedBySource(commands, sources(1))],
])('the table is read line by line for %s, and what cannot be read is an error', async (_what, look) => {
  const isListing = (line: string) => line.includes(' -L ');
  const commands = new ScriptedCommands(() => LISTED);
  await look(commands);
  expect(commands.streamed).toEqual(commands.asked.filter(isListing));
  expect(commands.streamed.length).toBe(1);
  const refused = new ScriptedCommands((line) => (isListing(line) ? { exitCode: 1, stderr: 'not permitted' } : ''));
  await expect(look(refused)).rejects.toThrow('not permitted');
});

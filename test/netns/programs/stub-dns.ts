import { StubDns } from '../../cli/names/stub-dns.ts';

/*
 * DNS servers, one for each argument ADDRESS=ANSWER, on port 53: the answer to every name that has no part "nosuch". Each question that
 * comes is a line "ADDRESS NAME TRANSPORT"; the first line is "ready", and SIGUSR2 has it write the line "mark".
 */
process.on('SIGUSR2', () => console.log('mark'));
for (const argument of process.argv.slice(2)) {
  const [address = '', reply = ''] = argument.split('=');
  await StubDns.open(address, 53, ({ name, transport }) => {
    console.log(`${address} ${name} ${transport}`);
    if (name.startsWith('big.') && transport === 'udp') return 'truncated';
    return name.includes('nosuch') ? 3 : reply;
  });
}
console.log('ready');

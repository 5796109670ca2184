import { TcpMessages } from '../../src/cli/names/tcp-messages.ts';
import {
  errorAnswer,
  isAnswerTo,
  isEmpty,
  isOutsideOfRoot,
  RCODE,
  rcodeOf,
  readQuery,
} from '../../src/laptop/names/dns-message.ts';
import { formerIn, markedText } from '../../src/laptop/names/former-file.ts';
import { parseResolvConf, withOurServers } from '../../src/laptop/names/resolv-conf.ts';
import { otherEntries } from '../../src/laptop/names/resolvconf.ts';
import { serversFor } from '../../src/laptop/names/routes.ts';
import { parseDomain } from '../../src/laptop/names/split-names.ts';
import { isStrayName } from '../../src/laptop/names/stray-names.ts';
import { buildQuery } from '../../src/usermode/dns.ts';
import { mutatedBytes, mutatedText } from './mutate.ts';
import type { FuzzTarget } from './run.ts';

const QUERY = aQuery();
const SOA = [0xc0, 43, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, ...new Array(20).fill(0)];
const ANSWER = Uint8Array.from([...QUERY.with(2, 0x81).with(3, 0x83).with(9, 1), ...SOA]);
const SEARCH = ['team-a.svc.cluster.local', 'svc.cluster.local'];
const CLUSTER = { servers: [], zones: ['cluster.local'], search: SEARCH, everything: false };
const OFFICE = '# x\nsearch office.example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\noptions edns0 rotate\n';
const OURS = markedText(OFFICE, { kind: 'file', base64: btoa(OFFICE), mode: 0o644, uid: 0, gid: 0 });

/** What reaches a laptop's forwarder, and the files where names are configured. */
export const namesTargets: readonly FuzzTarget[] = [
  {
    name: 'forwarded DNS query',
    next: (random) => mutatedBytes(QUERY, random),
    accepts: (input) => {
      const message = input as Uint8Array;
      const read = readQuery(message);
      if (read === undefined) return false;
      const rcode = 'rcode' in read ? read.rcode : RCODE.servFail;
      const error = errorAnswer(message, rcode);
      if (rcodeOf(error) !== rcode || error.length > message.length) throw new Error('the error is another one');
      if ('rcode' in read) return false;
      if (read.query.end > message.length) throw new Error('the question is longer than the message');
      if (!isAnswerTo(message, error)) throw new Error('our own error is no answer');
      serversFor(read.query.labels, { clusters: [CLUSTER], former: [] });
      isStrayName(read.query.labels, SEARCH, () => ({ hasTopLevel: true }));
      return true;
    },
  },
  {
    name: 'forwarded DNS answer',
    next: (random) => mutatedBytes(ANSWER, random),
    accepts: (input) => {
      const message = input as Uint8Array;
      isEmpty(message);
      isOutsideOfRoot(message);
      return isAnswerTo(QUERY, message);
    },
  },
  {
    name: 'DNS over TCP',
    next: (random) => mutatedBytes(Uint8Array.from([0, 3, 1, 2, 3, 0, 1, 9, 0, 2, 7, 7]), random),
    accepts: (input) => {
      const bytes = input as Uint8Array;
      let length = 0;
      const messages = new TcpMessages((message) => {
        length += message.length + 2;
      });
      const half = bytes.length >> 1;
      messages.push(bytes.subarray(0, half));
      messages.push(bytes.subarray(half));
      if (length > bytes.length) throw new Error('more messages than bytes');
      return length > 0;
    },
  },
  {
    name: 'resolv.conf',
    next: (random) => mutatedText(OFFICE, random),
    accepts: (input) => {
      const text = input as string;
      otherEntries(`# resolv.conf from eth0\n${text}`);
      const ours = { addresses: ['127.0.53.53'], search: SEARCH, keepsFormer: true, hostDomain: '' };
      const [first] = parseResolvConf(withOurServers(text, ours)).nameservers;
      if (first !== '127.0.53.53') throw new Error('ours is not asked first');
      return parseResolvConf(text).nameservers.length > 1;
    },
  },
  {
    name: 'our resolv.conf',
    next: (random) => mutatedText(OURS, random),
    accepts: (input) => formerIn(input as string)?.kind === 'file',
  },
  {
    name: 'domain',
    next: (random) => mutatedText('cluster.local', random),
    accepts: (input) => {
      const domain = parseDomain(input as string);
      if (domain.ok && !/^[a-z0-9_.-]+$/.test(domain.value))
        throw new Error('a domain that breaks a line or a command');
      return domain.ok;
    },
  },
];

function aQuery(): Uint8Array {
  const query = buildQuery({ id: 7, name: 'api.team-a.svc.cluster.local', type: 'A' });
  if (!query.ok) throw new Error(query.problem);
  return query.value;
}

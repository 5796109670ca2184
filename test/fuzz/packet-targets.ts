import { checksum } from '../../src/usermode/checksum.ts';
import { buildQuery, type DnsQuestion, parseAnswer } from '../../src/usermode/dns.ts';
import { buildIp, type Flow, PROTOCOL, parseIp } from '../../src/usermode/ip.ts';
import { dnsQuestion, packetOf, tcpQuestion, verdictOf } from '../../src/usermode/probe-question.ts';
import { reflexTo } from '../../src/usermode/reflex.ts';
import { step } from '../../src/usermode/session.ts';
import type { Session } from '../../src/usermode/session-state.ts';
import { buildTcp, TCP_FLAG } from '../../src/usermode/tcp.ts';
import { buildUdp } from '../../src/usermode/udp.ts';
import { at, identities, seeded, sessionOf } from '../usermode/builders.ts';
import { mutatedBytes, pick, type Random } from './mutate.ts';
import type { FuzzTarget } from './run.ts';

const PROBE = Uint8Array.of(10, 213, 0, 15);
const SERVER = Uint8Array.of(10, 96, 0, 10);
const BACK: Flow = { source: SERVER, destination: PROBE };
const NAME = 'kubernetes.default.svc.cluster.local';
const RANDOM = Uint8Array.from({ length: 10 }, (_, index) => index);
const DNS = dnsQuestion(PROBE, { server: SERVER, name: NAME, type: 'A' }, RANDOM);
const TCP = tcpQuestion(PROBE, { address: SERVER, port: 443 }, RANDOM);
const QUESTION: DnsQuestion = { id: 7, name: NAME, type: 'A' };

/** What arrives through the tunnel and on the socket of the user-mode WireGuard. */
export const packetTargets: readonly FuzzTarget[] = [
  {
    name: 'DNS answer',
    next: (random) => mutatedBytes(dnsAnswer(), random),
    accepts: (input) => parseAnswer(input as Uint8Array, QUESTION).ok,
  },
  {
    name: 'packet',
    next: (random) => somePacket(random),
    accepts: (input) => {
      const packet = input as Uint8Array;
      const reflex = reflexTo(packet, PROBE);
      if (reflex !== undefined && !parseIp(reflex).ok) throw new Error('what is answered is no packet');
      const verdicts = [verdictOf(DNS, packet), verdictOf(TCP, packet)];
      return reflex !== undefined || verdicts.some(({ kind }) => kind !== 'unrelated');
    },
  },
  {
    name: 'WireGuard datagram',
    // One in twenty is whole: what it costs to answer one is most of the time.
    next: (random) => (random() < 0.05 ? INITIATION : mutatedBytes(INITIATION, random)),
    accepts: (input) => {
      const after = step(GATEWAY, { kind: 'datagram', datagram: input as Uint8Array }, at(5_000));
      // What is not authentic changes nothing.
      const isAnswered = after.effects.some(({ kind }) => kind === 'send');
      if (!isAnswered && after.session !== GATEWAY) throw new Error('a forged datagram changed the session');
      return isAnswered;
    },
  },
];

const INITIATION = initiation();
const GATEWAY: Session = sessionOf(identities().gateway);

function initiation(): Uint8Array {
  const begun = step(sessionOf(identities().laptop), { kind: 'connect' }, at(1_000, seeded('fuzz')));
  const sent = begun.effects.find((effect) => effect.kind === 'send');
  if (sent === undefined) throw new Error('nothing was sent');
  return sent.datagram;
}

/** The query with the answer bit, one answer, and a compressed name. */
function dnsAnswer(): Uint8Array {
  const query = buildQuery(QUESTION);
  if (!query.ok) throw new Error(query.problem);
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 96, 0, 1];
  const message = Uint8Array.from([...query.value, ...record]);
  message[2] = 0x81;
  message[7] = 1;
  return message;
}

/** Packets of each kind with something wrong in them, most with right checksums, so that they get far. */
function somePacket(random: Random): Uint8Array {
  switch (pick(random, 5)) {
    case 0:
      return buildUdp(BACK, { sourcePort: 53, destinationPort: DNS.port, payload: mutatedBytes(dnsAnswer(), random) });
    case 1:
      return buildTcp(BACK, {
        sourcePort: 443,
        destinationPort: TCP.port,
        sequence: pick(random, 2 ** 32),
        acknowledgement: random() < 0.5 ? (TCP.sequence + 1) >>> 0 : pick(random, 2 ** 32),
        flags: random() < 0.5 ? TCP_FLAG.syn | TCP_FLAG.ack : pick(random, 256),
        window: pick(random, 65_536),
        payload: new Uint8Array(pick(random, 40)),
      });
    case 2:
      return buildIp(BACK, PROTOCOL.icmp, withChecksum(mutatedBytes(unreachable(), random)));
    case 3:
      return buildIp(BACK, pick(random, 256), mutatedBytes(unreachable(), random));
    default:
      return mutatedBytes(packetOf(random() < 0.5 ? DNS : TCP, 0), random);
  }
}

/** ICMP "port unreachable" about the probe's own question. */
function unreachable(): Uint8Array {
  return Uint8Array.from([3, 3, 0, 0, 0, 0, 0, 0, ...packetOf(DNS, 0).subarray(0, 28)]);
}

function withChecksum(message: Uint8Array): Uint8Array {
  if (message.length < 4) return message;
  message.set([0, 0], 2);
  const sum = checksum(message);
  message.set([sum >> 8, sum & 0xff], 2);
  return message;
}

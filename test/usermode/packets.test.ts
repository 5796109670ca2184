import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IpAddress, parseAddress } from '../../src/net/address.ts';
import { concat } from '../../src/usermode/bytes.ts';
import { checksum } from '../../src/usermode/checksum.ts';
import { buildEcho, parseIcmp } from '../../src/usermode/icmp.ts';
import { addressBytes, addressOf, buildIp, type Flow, PROTOCOL, parseIp } from '../../src/usermode/ip.ts';
import { reflexTo } from '../../src/usermode/reflex.ts';
import { buildTcp, parseTcp, TCP_FLAG } from '../../src/usermode/tcp.ts';
import { buildUdp, parseUdp } from '../../src/usermode/udp.ts';
import { hex, hexOf, right } from './builders.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const flows: fc.Arbitrary<Flow> = fc
  .constantFrom(4, 16)
  .chain((length) => fc.record({ source: bytes(length), destination: bytes(length) }));
const port = fc.nat({ max: 0xffff });
const word = fc.nat({ max: 0xffff_ffff });
const payload = fc.uint8Array({ maxLength: 60 });
const V4: Flow = { source: hex('0ad5000f'), destination: hex('0a600001') };

/** Every way to change one bit of a packet. */
function flips(packet: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: packet.length * 8 }, (_, bit) => {
    const changed = Uint8Array.from(packet);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return changed;
  });
}

describe('the Internet checksum', () => {
  it('is that of RFC 1071, section 3', () => {
    expect(checksum(hex('0001f203f4f5f6f7'))).toBe(~0xddf2 & 0xffff);
  });

  it('of a known IPv4 header is what stands in it', () => {
    expect(checksum(hex('45000073000040004011b861c0a80001c0a800c7'))).toBe(0);
  });

  it('pads an odd end with zero', () => {
    expect(checksum(hex('010203'))).toBe(checksum(hex('01020300')));
  });
});

describe('addresses', () => {
  it.each(['10.213.0.15', '0.0.0.0', '255.255.255.255', 'fd5a:1::f', '::', '2001:db8::1'])('%s survives', (text) => {
    const address = right(parseAddress(text)) as IpAddress;
    expect(addressOf(addressBytes(address))).toBe(address);
    expect(addressBytes(address)).toHaveLength(text.includes(':') ? 16 : 4);
  });
});

describe('an IP packet', () => {
  it('is the same after building and parsing', () => {
    fc.assert(
      fc.property(flows, fc.constantFrom(...Object.values(PROTOCOL)), payload, (flow, protocol, content) => {
        const packet = buildIp(flow, protocol, content);
        expect(right(parseIp(packet))).toEqual({ ...flow, protocol, hopLimit: 64, payload: content });
        expect(right(parseIp(concat(packet, new Uint8Array(7))))).toMatchObject({ payload: content });
      }),
    );
  });

  it('is refused with a wrong IPv4 header', () => {
    for (const changed of flips(buildIp(V4, 17, new Uint8Array(0)))) expect(parseIp(changed).ok).toBe(false);
  });

  it('is parsed or refused, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom(0x45, 0x46, 0x60, 0x00), fc.uint8Array({ maxLength: 120 }), (version, rest) => {
        const result = parseIp(concat(Uint8Array.of(version), rest));
        expect(result.ok || result.problem.length > 0).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of IPv6 may have extension headers, but not without end, and no fragments', () => {
    const flow = { source: new Uint8Array(16), destination: new Uint8Array(16) };
    const options = (next: number) => concat(Uint8Array.of(next, 0), new Uint8Array(6));
    const udp = hex('0001000200080000');
    expect(right(parseIp(buildIp(flow, 0, concat(options(60), options(17), udp))))).toMatchObject({
      protocol: 17,
      payload: udp,
    });
    const many = concat(...Array.from({ length: 10 }, () => options(0)), udp);
    expect(parseIp(buildIp(flow, 0, many)).ok).toBe(false);
    expect(parseIp(buildIp(flow, 44, concat(options(17), udp))).ok).toBe(false);
    expect(parseIp(buildIp(flow, 0, hex('11ff000000000000'))).ok).toBe(false);
  });

  it('of IPv4 must not be a fragment', () => {
    const packet = buildIp(V4, 17, new Uint8Array(8));
    packet[6] = 0x20;
    packet.set([0, 0], 10);
    new DataView(packet.buffer).setUint16(10, checksum(packet.subarray(0, 20)));
    expect(parseIp(packet)).toMatchObject({ ok: false, problem: 'a fragment of an IPv4 packet' });
  });
});

describe('a UDP datagram', () => {
  it('is the same after building and parsing, and refused with any bit changed', () => {
    fc.assert(
      fc.property(flows, port, port, payload, (flow, sourcePort, destinationPort, content) => {
        const packet = buildUdp(flow, { sourcePort, destinationPort, payload: content });
        const wanted = { sourcePort, destinationPort, payload: content };
        expect(right(parseUdp(right(parseIp(packet))))).toEqual(wanted);
      }),
    );
    const packet = buildUdp(V4, { sourcePort: 1, destinationPort: 2, payload: hex('0304') });
    for (const changed of flips(packet)) {
      const ip = parseIp(changed);
      expect(ip.ok && parseUdp(ip.value).ok).toBe(false);
    }
  });

  it('may come without a checksum over IPv4 only', () => {
    const v6 = { source: new Uint8Array(16), destination: new Uint8Array(16) };
    const unchecked = hex('0001000200080000');
    expect(parseUdp(right(parseIp(buildIp(V4, 17, unchecked)))).ok).toBe(true);
    expect(parseUdp(right(parseIp(buildIp(v6, 17, unchecked)))).ok).toBe(false);
  });
});

describe('a TCP segment', () => {
  const segments = fc.record(
    {
      sourcePort: port,
      destinationPort: port,
      sequence: word,
      acknowledgement: word,
      flags: fc.nat({ max: 0xff }),
      window: port,
      mss: port,
      payload,
    },
    { requiredKeys: ['sourcePort', 'destinationPort', 'sequence', 'acknowledgement', 'flags', 'window', 'payload'] },
  );

  it('is the same after building and parsing', () => {
    fc.assert(
      fc.property(flows, segments, (flow, segment) => {
        expect(right(parseTcp(right(parseIp(buildTcp(flow, segment)))))).toEqual(segment);
      }),
    );
  });

  it('is refused with any bit changed, and parsed or refused whatever its options', () => {
    const syn = { sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 0, flags: 2, window: 9 };
    for (const changed of flips(buildTcp(V4, { ...syn, mss: 1220, payload: new Uint8Array(0) }))) {
      const ip = parseIp(changed);
      expect(ip.ok && parseTcp(ip.value).ok).toBe(false);
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), (content) => {
        const parsed = parseTcp({ ...V4, protocol: 6, hopLimit: 1, payload: content });
        expect(parsed.ok || parsed.problem.length > 0).toBe(true);
      }),
    );
  });
});

describe('ICMP', () => {
  it('echoes survive building and parsing', () => {
    const kind = fc.constantFrom('echo-request' as const, 'echo-reply' as const);
    fc.assert(
      fc.property(flows, kind, port, port, payload, (flow, type, id, sequence, content) => {
        const packet = buildEcho(flow, type, { id, sequence, payload: content });
        expect(right(parseIcmp(right(parseIp(packet))))).toEqual({ kind: type, id, sequence, payload: content });
      }),
    );
  });

  it.each([
    [3, 0, 'network'],
    [3, 1, 'host'],
    [3, 3, 'port'],
    [3, 9, 'prohibited'],
    [3, 10, 'prohibited'],
    [3, 13, 'prohibited'],
    [11, 0, 'hops'],
  ])('type %i code %i about a packet is "%s"', (type, code, refusal) => {
    const original = buildUdp(V4, { sourcePort: 5000, destinationPort: 53, payload: new Uint8Array(30) });
    const message = concat(Uint8Array.of(type, code), new Uint8Array(6), original.subarray(0, 28));
    new DataView(message.buffer).setUint16(2, checksum(message));
    const back = { source: hex('0a010101'), destination: V4.source };
    expect(right(parseIcmp(right(parseIp(buildIp(back, 1, message)))))).toEqual({
      kind: 'refusal',
      refusal,
      about: { ...V4, protocol: 17, sourcePort: 5000, destinationPort: 53 },
    });
  });

  it('is parsed or refused, whatever it quotes', () => {
    fc.assert(
      fc.property(fc.constantFrom(3, 11, 0, 8), fc.uint8Array({ maxLength: 60 }), (type, quote) => {
        const message = concat(Uint8Array.of(type, 0), new Uint8Array(6), quote);
        new DataView(message.buffer).setUint16(2, checksum(message));
        expect(parseIcmp({ ...V4, protocol: 1, hopLimit: 1, payload: message }).ok).toBe(true);
      }),
    );
  });
});

describe('a host without services', () => {
  it('answers a ping to its own address only', () => {
    fc.assert(
      fc.property(flows, payload, (flow, content) => {
        const ping = buildEcho(flow, 'echo-request', { id: 7, sequence: 9, payload: content });
        const reply = reflexTo(ping, flow.destination) ?? new Uint8Array(0);
        const ip = right(parseIp(reply));
        expect([ip.source, ip.destination].map(hexOf)).toEqual([flow.destination, flow.source].map(hexOf));
        expect(right(parseIcmp(ip))).toEqual({ kind: 'echo-reply', id: 7, sequence: 9, payload: content });
        expect(reflexTo(ping, new Uint8Array(4).fill(1))).toBeUndefined();
        expect(reflexTo(reply, flow.source)).toBeUndefined();
      }),
    );
  });

  it('resets a connection that it does not know, and never a reset', () => {
    const segment = { sourcePort: 443, destinationPort: 50000, sequence: 100, window: 9, payload: new Uint8Array(0) };
    const reset = (flags: number, acknowledgement: number) => {
      const reply = reflexTo(buildTcp(V4, { ...segment, flags, acknowledgement }), V4.destination);
      return reply === undefined ? undefined : right(parseTcp(right(parseIp(reply))));
    };
    expect(reset(TCP_FLAG.syn | TCP_FLAG.ack, 77)).toMatchObject({
      flags: TCP_FLAG.rst,
      sequence: 77,
      sourcePort: 50000,
    });
    expect(reset(TCP_FLAG.syn, 0)).toMatchObject({ flags: TCP_FLAG.rst | TCP_FLAG.ack, acknowledgement: 101 });
    expect(reset(TCP_FLAG.rst, 0)).toBeUndefined();
  });
});

import { describe, expect, test } from 'vitest';
import { parseOperatorConfig } from '../../src/operator/config.ts';

const AGENT = 'agent: {image: example.test/sallyport:1}';

function problemOf(text: string): string {
  const result = parseOperatorConfig(text);
  if (result.ok) throw new Error(`was accepted: ${text}`);
  return result.problem;
}

describe('the operator configuration', () => {
  test('needs only the image', () => {
    const result = parseOperatorConfig(AGENT);
    expect(result).toEqual({
      ok: true,
      value: {
        pool: ['10.213.0.0/16'],
        logLevel: 'info',
        expiredPeers: { deleteAfter: 86_400_000 },
        metrics: { enabled: true, port: 9842 },
        quotas: { peersPerOwner: Number.POSITIVE_INFINITY },
        agent: {
          image: 'example.test/sallyport:1',
          imagePullPolicy: 'IfNotPresent',
          imagePullSecrets: [],
          serviceAccountName: 'sallyport-agent',
          resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '1Gi' } },
          priorityClassName: 'system-node-critical',
          logLevel: 'info',
          podAnnotations: {},
          podLabels: {},
          metrics: {
            listen: 'Loopback',
            port: 9842,
            devices: 0,
            sources: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
          },
        },
      },
    });
  });

  test('takes a pool of each family', () => {
    const result = parseOperatorConfig(`pool: [10.200.0.0/20, "fd12:3456:789a::/64"]\n${AGENT}`);
    expect(result.ok && result.value.pool).toEqual(['10.200.0.0/20', 'fd12:3456:789a::/64']);
  });

  test.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['never', Number.POSITIVE_INFINITY],
  ])('keeps expired peers for %s', (deleteAfter, ms) => {
    const result = parseOperatorConfig(`expiredPeers: {deleteAfter: ${deleteAfter}}\n${AGENT}`);
    expect(result.ok && result.value.expiredPeers.deleteAfter).toBe(ms);
  });

  test('reads amounts without quotation marks', () => {
    const result = parseOperatorConfig('agent: {image: i, resources: {requests: {cpu: 1}}}');
    expect(result.ok && result.value.agent.resources).toEqual({ requests: { cpu: '1' } });
  });

  test.each([
    [`pool: []\n${AGENT}`, 'pool: name at least one CIDR, such as 10.213.0.0/16'],
    [
      `pool: [10.1.0.0/16, 10.2.0.0/16]\n${AGENT}`,
      'pool: has two CIDRs of one family: keep at most one IPv4 and one IPv6 CIDR',
    ],
    [`pool: [10.213.1.0/16]\n${AGENT}`, 'pool[0]: "10.213.1.0/16" has host bits set; write 10.213.0.0/16'],
    [`pool: [10.213.0.0/25]\n${AGENT}`, 'pool[0]: "10.213.0.0/25" must have a prefix length from /8 to /24'],
    [`pool: ["fd00::/32"]\n${AGENT}`, 'pool[0]: "fd00::/32" must have a prefix length from /48 to /112'],
    [
      `pool: [169.254.0.0/16]\n${AGENT}`,
      'pool[0]: "169.254.0.0/16" overlaps 169.254.0.0/16, which devices cannot use; take a private range such as 10.213.0.0/16',
    ],
    [`pool: [mesh]\n${AGENT}`, 'pool[0]: "mesh" is not a CIDR such as 10.96.0.0/12'],
    [
      `expiredPeers: {deleteAfter: 1 day}\n${AGENT}`,
      'expiredPeers.deleteAfter: "1 day" is not a time such as 24h, 30m or 7d, nor never',
    ],
    [
      `metrics: {port: 8081}\n${AGENT}`,
      "metrics.port: 8081 is the port of the operator's health; take another one from 1024 on, such as 9842",
    ],
    [
      'agent: {image: i, metrics: {port: 9841}}',
      "agent.metrics.port: 9841 is the port of the agents' health; take another one from 1024 on, such as 9842",
    ],
    [
      `metrics: {port: 1023}\n${AGENT}`,
      'metrics.port: 1023 needs a right that no program of Sallyport has; take another one from 1024 on, such as 9842',
    ],
    ['agent: {image: ""}', "agent.image: name the agents' image, such as example.com/sallyport:0.1.0"],
  ])('refuses %j', (text, problem) => {
    expect(problemOf(text)).toBe(problem);
  });

  test('refuses what it does not know, because a misspelt setting would be lost', () => {
    expect(problemOf(`pools: [10.1.0.0/16]\n${AGENT}`)).toMatch(/Unrecognized key: "pools"/);
  });

  test('names every wrong field, one to a line', () => {
    expect(problemOf('pool: [mesh]\nlogLevel: loud\nagent: {image: i}').split('\n')).toEqual([
      expect.stringMatching(/^pool\[0\]: /),
      expect.stringMatching(/^logLevel: /),
    ]);
  });

  test('says so when the text is no YAML at all', () => {
    expect(problemOf('agent: [')).toMatch(/^the file is not YAML: /);
  });

  test('says so when a key is none', () => {
    expect(problemOf('agent: {{a: b}: c}')).toContain('all keys must be strings at line 1');
  });

  test.each([
    'pool: *x',
    'a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c]',
  ])('is refused for aliases that lead nowhere or too far: %j', (text) => {
    expect(problemOf(text)).toContain('the file is not YAML');
  });
});

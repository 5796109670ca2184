import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isMap, isScalar, type Pair, parseDocument } from 'yaml';
import { CHART, HELM, helm, NEEDS_HELM } from './helm.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

const text = readFileSync(join(CHART, 'values.yaml'), 'utf8');
const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;

describe('the values', () => {
  const document = parseDocument(text);

  test('and their schema name the same things', () => {
    const { global: _helms, ...properties } = schema.properties ?? {};
    expect(namesIn({ ...schema, properties }).sort()).toEqual(namesOf(document.toJS()).sort());
  });

  test('are all explained', () => {
    const unexplained: string[] = [];
    explain(document.contents, '', unexplained);
    expect(unexplained).toEqual([]);
  });
});

describe.skipIf(HELM === undefined)(`values that are wrong are refused${NEEDS_HELM}`, () => {
  test.each([
    [{ gateways: {} }, /additional properties 'gateways' not allowed/],
    [{ gateway: { nme: 'x' } }, /at '\/gateway': additional properties 'nme' not allowed/],
    [{ operator: { replicas: 'two' } }, /at '\/operator\/replicas': got string, want integer/],
    [{ operator: { logLevel: 'loud' } }, /at '\/operator\/logLevel': value must be one of 'debug', 'info'/],
    [{ agent: { resources: { request: {} } } }, /at '\/agent\/resources': additional properties 'request' not allowed/],
    [{ expiredPeers: { deleteAfter: '1 day' } }, /at '\/expiredPeers\/deleteAfter': '1 day' does not match pattern/],
    [{ metrics: { agents: { listen: 'All' } } }, /at '\/metrics\/agents\/listen': value must be one of 'None'/],
    [
      { metrics: { port: 8081 } },
      /metrics\.port: 8081 is the port of the operator's health; take another one from 1024 on, such as 9842/,
    ],
    [{ metrics: { port: 9841 } }, /metrics\.port: 9841 is the port of the agents' health; take another one/],
    [{ metrics: { port: 80 } }, /metrics\.port: 80 needs a right that no program of Sallyport has; take another one/],
    [
      { metrics: { podMonitor: { interval: '0s' } } },
      /at '\/metrics\/podMonitor\/interval': '0s' does not match pattern/,
    ],
    [
      { metrics: { agents: { sources: ['10.0.0.0/8', 'mesh'] } } },
      /metrics\.agents\.sources\[1\]: "mesh" is not a CIDR such as 10\.0\.0\.0\/8/,
    ],
    [
      { metrics: { agents: { sources: ['192.168.0.0/33'] } } },
      /metrics\.agents\.sources\[0\]: "192\.168\.0\.0\/33" must have a prefix length of at most \/32/,
    ],
    [
      { metrics: { agents: { sources: ['fd00::/129'] } } },
      /metrics\.agents\.sources\[0\]: "fd00::\/129" must have a prefix length of at most \/128/,
    ],
    [{ cleanup: { deadlineSeconds: 0 } }, /at '\/cleanup\/deadlineSeconds': minimum: got 0, want 10/],
    [
      { operator: { networkPolicy: { apiServerPorts: [] } } },
      /at '\/operator\/networkPolicy\/apiServerPorts': minItems: got 0, want 1/,
    ],
    [{ image: { digest: 'latest' } }, /at '\/image\/digest': 'latest' does not match pattern/],
    [{ pool: { cidrs: [] } }, /at '\/pool\/cidrs': minItems: got 0, want 1/],
    [{ pool: { cidrs: ['mesh'] } }, /pool\.cidrs\[0\]: "mesh" is not a CIDR such as 10\.213\.0\.0\/16/],
    [
      { pool: { cidrs: ['10.0.0.0/28'] } },
      /pool\.cidrs\[0\]: "10\.0\.0\.0\/28" must have a prefix length from \/8 to \/24/,
    ],
    [{ pool: { cidrs: ['fd00::/16'] } }, /pool\.cidrs\[0\]: "fd00::\/16" must have a prefix length from \/48 to \/112/],
    [
      { pool: { cidrs: ['10.1.0.0/16', '10.2.0.0/16'] } },
      /pool\.cidrs has two IPv4 CIDRs: keep at most one IPv4 and one IPv6 CIDR/,
    ],
    [{ gateway: { name: 'Team_A' } }, /gateway\.name: "Team_A" must be lower-case letters, digits and "-"/],
  ])('%j', async (values, message) => {
    const { code, stderr } = await helm(['template', 'sallyport', CHART], values);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
  });
});

/** Free-form values end a path: what is in them is not ours to name. */
const FREE =
  /(nodeSelector|affinity|tolerations|Annotations|Labels|labels|annotations|requests|limits|spec|cidrs|pullSecrets|apiServerPorts|sources|scrapedFrom)$/;

function namesOf(value: unknown, path = ''): string[] {
  if (FREE.test(path) || typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, entry]) => namesOf(entry, `${path}/${key}`));
}

function namesIn(node: Schema, path = ''): string[] {
  const { properties, additionalProperties } = node.$ref === undefined ? node : definition(node.$ref);
  if (FREE.test(path) || properties === undefined) return [path];
  expect(additionalProperties, `${path} must refuse what it does not know`).toBe(false);
  return Object.entries(properties).flatMap(([key, entry]) => namesIn(entry, `${path}/${key}`));
}

function definition(reference: string): Schema {
  const found = schema.definitions?.[reference.replace('#/definitions/', '')];
  if (found === undefined) throw new Error(`no definition ${reference}`);
  return found;
}

/** Collects the keys that no comment stands above. */
function explain(node: unknown, path: string, unexplained: string[]): void {
  if (!isMap(node)) return;
  node.items.forEach((pair: Pair, index) => {
    const name = `${path}/${isScalar(pair.key) ? String(pair.key.value) : ''}`;
    const comment = index === 0 ? (node.commentBefore ?? commentOf(pair)) : commentOf(pair);
    if (comment === undefined) unexplained.push(name);
    explain(pair.value, name, unexplained);
  });
}

function commentOf(pair: Pair): string | undefined {
  return isScalar(pair.key) ? (pair.key.commentBefore ?? undefined) : undefined;
}

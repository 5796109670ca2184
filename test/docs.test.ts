import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { CLUSTER_COMMANDS, LAPTOP_COMMANDS } from '../scripts/demo/commands.ts';
import { meshGatewayType } from '../src/api/meshgateway.ts';
import { meshPeerType } from '../src/api/meshpeer.ts';
import { API_VERSION } from '../src/api/names.ts';
import { auditSentence } from '../src/mesh/audit/line.ts';
import { parsePublicKey } from '../src/net/key.ts';
import { commandsIn, documents, missingPaths } from './scripts/markdown.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('documents', () => {
  const readme = commandsIn(read('README.md'), 'sh test=demo');
  const demo: readonly string[] = [...Object.values(CLUSTER_COMMANDS), ...Object.values(LAPTOP_COMMANDS)];

  test('the README has commands that are marked as run by the demo', () => {
    expect(readme.length).toBeGreaterThan(10);
  });

  test.each(readme)('the demo runs what the README shows: %s', (command) => {
    expect(demo).toContain(command);
  });

  test.each(documents())('every path that $file names is there', (document) => {
    expect(missingPaths(document)).toEqual([]);
  });

  test.each(documents())('every npm script that $file names is there', ({ text }) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/npm run ([a-z-]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('CONTRIBUTING.md fits on a screen or two', () => {
    expect(read('CONTRIBUTING.md').split('\n').length).toBeLessThanOrEqual(61);
  });

  test.each(globSync('docs/design/*.md', { cwd: ROOT }).sort())(
    '%s has the parts of a decision, on one page',
    (file) => {
      const text = read(file);
      const number = /(\d{4})-/.exec(file)?.[1];
      expect(text).toMatch(new RegExp(`^# ${number} `));
      expect(globSync(`docs/design/${number}-*.md`, { cwd: ROOT }), 'one decision has the number').toEqual([file]);
      expect(text.match(/^## .*$/gm)).toEqual(['## Context', '## Decision', '## Alternatives', '## Consequences']);
      expect(text.split('\n').length).toBeLessThan(60);
    },
  );
});

describe('docs/audit.md', () => {
  const text = read('docs/audit.md');
  const lines = [...text.matchAll(/^\{"level".*$/gm)].map(([line]) => line);
  const [refused = '', carried = ''] = commandsIn(text, 'sh test=audit');

  test('shows lines as the log writes them', () => {
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['connection', 'connection', 'left-out', 'roamed']);
    for (const line of lines) {
      const { level, time, log, program, node, gateway, msg, ...told } = JSON.parse(line);
      expect({ level, log, program, msg }).toEqual({
        level: 'info',
        log: 'audit',
        program: 'agent',
        msg: auditSentence(told),
      });
      expect([time, node, gateway]).not.toContain(undefined);
    }
  });

  test.skipIf(spawnSync('jq', ['--version']).status !== 0).each([
    ['whom was refused what', refused, '3\tteam-a/laptop\tdb\t5432\n'],
    ['who got or sent how much', carried, '5251480\tteam-a/laptop\tshop\t443\n'],
  ])('has a filter that says %s', (_what, program, says) => {
    const input = `${lines.join('\n')}\n`;
    const { stdout, stderr } = spawnSync('sh', ['-c', program], { input, encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: says, stderr: '' });
  });

  test('names every event and every reason', () => {
    for (const word of [
      'connection',
      'left-out',
      'let-in',
      'put-out',
      'connected',
      'roamed',
      'idle',
      'admitted',
      'rejected',
      'Deleted',
      'Suspended',
      'Expired',
      'Replaced',
      'NotAccepted',
    ])
      expect(text).toContain(`\`${word}\``);
  });
});

describe('docs/install.md', () => {
  const commands = commandsIn(read('docs/install.md'), 'sh');

  test('has the commands that verify the image and what is in it, the chart, the manifests and the npm package, and names no host', () => {
    const verified = commands.flatMap(
      (line) => /^gh attestation verify (\S+) --repo OWNER\/REPOSITORY$/.exec(line)?.[1] ?? [],
    );
    expect(verified).toEqual([
      'oci://REGISTRY/OWNER/REPOSITORY:VERSION',
      'install.yaml',
      'sallyport-VERSION.tgz',
      'sallyport-operator-VERSION.cdx.json',
      'sallyport-agent-VERSION.cdx.json',
    ]);
    expect(commands).toContain('npm install sallyport && npm audit signatures');
  });
});

describe('samples', () => {
  const objects = globSync('manifests/samples/*.yaml', { cwd: ROOT })
    .sort()
    .flatMap((file) => parseAllDocuments(read(file)).map((document) => ({ file, raw: document.toJS() as RawObject })));
  const ours = objects.filter(({ raw }) => raw.apiVersion === API_VERSION);

  test('there are some of both kinds that people write', () => {
    expect(new Set(ours.map(({ raw }) => raw.kind))).toEqual(new Set(['MeshGateway', 'MeshPeer']));
  });

  test.each(ours)('$file is valid, and every field in it is known', ({ raw }) => {
    const { parse } = raw.kind === 'MeshPeer' ? meshPeerType : meshGatewayType;
    expect(parse(stored(raw)).spec).toMatchObject(raw.spec);
  });

  test('every sample has a key of its own, which WireGuard accepts', () => {
    const keys = ours.flatMap(({ raw }) => (raw.kind === 'MeshPeer' ? [String(raw.spec.publicKey)] : []));
    expect(keys.map((key) => parsePublicKey(key).ok)).toEqual(keys.map(() => true));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The object as the API server would answer it. */
function stored(raw: RawObject): RawObject {
  const metadata = { uid: '0', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', ...raw.metadata };
  return { ...raw, metadata };
}
